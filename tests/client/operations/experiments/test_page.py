"""The page: complete, safe and drawn correctly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.experiments import arm, log_of
from support.page import Page

from tuft.operations.experiments import Log, html_page, summarise

if TYPE_CHECKING:
    from tuft.operations.experiments import Arm


def page(*arms: Arm, **known: object) -> str:
    return html_page(summarise(log_of(*arms, **known)))  # type: ignore[arg-type]


def test_it_asks_for_nothing_and_runs_nothing(rng: np.random.Generator) -> None:
    text = page(arm(rng, "today", 50), arm(rng, "other", 50))
    (policy,) = [meta["content"] for meta in Page(text).all("meta") if "http-equiv" in meta]
    assert "default-src 'none'" in policy
    for forbidden in ("<script", "http:", "https:", "@import", "url(", "src="):
        assert forbidden not in text


def test_better_is_right_of_the_middle_and_worse_left(rng: np.random.Generator) -> None:
    slow = arm(rng, "slow", 300, better=0.1)
    slow.total_ms[:] *= 2
    text = page(arm(rng, "today", 300), slow)
    (axis,) = re.findall(r'class="axis" x1="([\d.]+)" x2="\1" y1="0"', text)
    drawn = {
        name: (verdict, float(x))
        for verdict, name, x in re.findall(r'<g class="(\w+)"><text[^>]*>([\w ]+), slow</text>.*?cx="([\d.]+)"', text)
    }
    assert drawn["quality"][0] == "better"
    assert drawn["quality"][1] > float(axis)
    assert drawn["p50 latency"][0] == "worse"
    assert drawn["p50 latency"][1] < float(axis)


def test_variants_share_the_scale_of_a_metric(rng: np.random.Generator) -> None:
    """Twice the difference is drawn twice as far from the middle."""
    today, slow, slower = (arm(rng, name, 200) for name in ("today", "slow", "slower"))
    for one, added_ms in ((slow, 100), (slower, 200)):
        one.total_ms[:] = np.where(one.failed > 0, np.nan, 400.0 + added_ms)
    today.total_ms[:] = np.where(today.failed > 0, np.nan, 400.0)
    text = page(today, slow, slower)
    (axis,) = re.findall(r'class="axis" x1="([\d.]+)"', text)[:1]
    slow_x, slower_x = (float(x) for x in re.findall(r'>p50 latency, \w+</text>.*?cx="([\d.]+)"', text))
    assert float(axis) - slower_x == pytest.approx(2 * (float(axis) - slow_x), abs=0.2)


def test_an_unbounded_interval_reaches_the_frame(rng: np.random.Generator) -> None:
    """The 95th percentile of few requests has no upper bound."""
    text = page(arm(rng, "today", 6), arm(rng, "other", 6))
    assert "inf" not in text
    assert "nan" not in text
    assert "? to" in text or "to ?" in text


def test_names_and_warnings_are_escaped(rng: np.random.Generator) -> None:
    log = log_of(arm(rng, "a<b", 50), arm(rng, '"c"', 50), planned_units=999)
    hostile = Log("<x>", log.control, *(getattr(log, name) for name in list(Log.__dataclass_fields__)[2:]))
    text = html_page(summarise(hostile))
    assert "<x>" not in text
    assert "a<b" not in text
    assert "Only 100 units of 999" in text


def test_latency_curves_end_where_99_percent_are_answered(rng: np.random.Generator) -> None:
    today = arm(rng, "today", 200)
    text = page(today, arm(rng, "other", 200))
    assert text.count("<polyline") == 2
    assert re.search(r">[1-9]\d* ms</text>", text)
    for label in ("latency, milliseconds", "share of answered requests", "50%", "95%"):
        assert f">{label}</text>" in text
