"""Conclusions from simulated experiments with a known truth."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.experiments import arm, log_of

from tuft.errors import OptionError
from tuft.operations.experiments import Log, Summary, format_summary, summarise

if TYPE_CHECKING:
    from tuft.operations.experiments import Arm


def verdicts(summary: Summary) -> dict[str, str]:
    return {one.metric.name: one.verdict for one in summary.comparisons}


def first_units(whole: Arm, units: int) -> Arm:
    """The part of an arm up to a number of units."""
    seen = whole.unit < units
    columns = (whole.failed[seen], whole.total_ms[seen], whole.quality[seen], whole.rating[seen])
    return type(whole)(whole.name, units, int(seen.sum()), whole.unit[seen], *columns)


def test_variants_that_are_the_same_differ_in_5_percent(rng: np.random.Generator) -> None:
    found: Counter[str] = Counter()
    for _ in range(300):
        found.update(
            name
            for name, verdict in verdicts(summarise(log_of(arm(rng, "today", 120), arm(rng, "same", 120)))).items()
            if verdict != "open"
        )
    for name in ("errors", "p50 latency", "p95 latency", "quality"):
        assert found[name] / 300 <= 0.09  # 5 % and three standard errors


def test_looking_ten_times_misleads_hardly_more_often(rng: np.random.Generator) -> None:
    early: Counter[str] = Counter()
    naive: Counter[str] = Counter()
    for _ in range(100):
        pair = arm(rng, "today", 100), arm(rng, "same", 100)
        misled: dict[str, set[str]] = {"early": set(), "naive": set()}
        for units in range(10, 101, 10):
            seen = [first_units(one, units) for one in pair]
            for way, plan in (("early", 200), ("naive", 2 * units)):
                for name, verdict in verdicts(summarise(log_of(*seen, planned_units=plan))).items():
                    if verdict != "open":
                        misled[way].add(name)
        early.update(misled["early"])
        naive.update(misled["naive"])
    for name in ("p50 latency", "quality"):
        assert early[name] / 100 <= 0.13  # 6 % and three standard errors
        assert naive[name] / 100 >= 0.13


def test_a_difference_is_found(rng: np.random.Generator) -> None:
    """0.02 with a deviation of 0.055 between units of 120: 2.8 standard errors, a power of 80 %."""
    found = [
        verdicts(summarise(log_of(arm(rng, "today", 120), arm(rng, "good", 120, better=0.02))))["quality"]
        for _ in range(100)
    ]
    assert 65 <= found.count("better") <= 95
    assert found.count("worse") == 0


def test_the_interval_covers_the_true_difference(rng: np.random.Generator) -> None:
    covered = 0
    for _ in range(200):
        summary = summarise(log_of(arm(rng, "today", 150), arm(rng, "good", 100, better=0.01)))
        (quality,) = (one.difference for one in summary.comparisons if one.metric.name == "quality")
        covered += quality.low <= 0.01 <= quality.high
    assert 0.91 <= covered / 200 <= 0.99


def test_more_errors_are_worse_and_less_latency_is_better(rng: np.random.Generator) -> None:
    today, other = arm(rng, "today", 400, failing=0.02), arm(rng, "other", 400, failing=0.3)
    other.total_ms[:] *= 0.7
    found = verdicts(summarise(log_of(today, other)))
    assert found["errors"] == "worse"
    assert found["p50 latency"] == found["p95 latency"] == "better"
    assert "rating" not in found


def warnings(log: Log) -> str:
    return " ".join(summarise(log).warnings)


def test_a_sound_experiment_has_no_warning(rng: np.random.Generator) -> None:
    summary = summarise(log_of(arm(rng, "today", 100), arm(rng, "other", 104)))
    assert summary.warnings == []
    assert summary.is_final


def test_arms_of_the_wrong_size_are_told(rng: np.random.Generator) -> None:
    log = log_of(arm(rng, "today", 300), arm(rng, "other", 200))
    assert "Sample-ratio mismatch" in warnings(log)
    assert "today 300 of 250, other 200 of 250" in warnings(log)


def test_an_early_look_is_told_and_its_intervals_are_wider(rng: np.random.Generator) -> None:
    pair = arm(rng, "today", 100), arm(rng, "other", 100)
    final, early = summarise(log_of(*pair)), summarise(log_of(*pair, planned_units=400))
    assert "Only 200 units of 400 planned have been seen" in " ".join(early.warnings)
    assert not early.is_final
    for late, soon in zip(final.comparisons, early.comparisons, strict=True):
        assert soon.difference.value == late.difference.value
        assert soon.difference.low < late.difference.low
        assert soon.difference.high > late.difference.high


def test_everything_else_is_told(rng: np.random.Generator) -> None:
    lossy = arm(rng, "other", 100)
    lossy = type(lossy)("other", 100, lossy.exposures + 7, lossy.unit, lossy.failed, lossy.total_ms, lossy.quality,
                        lossy.rating)  # fmt: skip
    log = log_of(arm(rng, "today", 100), lossy, definitions=2, mixed_units=3, unreadable_lines=4)
    told = warnings(log)
    for words in (
        "2 definitions",
        "3 units had more than one variant and are excluded",
        "4 lines",
        f"other 7 of {lossy.exposures}",
    ):
        assert words in told


def test_nothing_to_compare_is_told(rng: np.random.Generator) -> None:
    with pytest.raises(OptionError, match=r"wait for some of today and another\.$"):
        summarise(log_of(arm(rng, "today", 10), arm(rng, "other", 0)))


def test_three_variants_share_the_5_percent(rng: np.random.Generator) -> None:
    arms = [arm(rng, name, 100) for name in ("today", "one", "two")]
    alone, together = summarise(log_of(*arms[:2])), summarise(log_of(*arms))
    assert [one.variant for one in together.comparisons[:2]] == ["one", "two"]
    assert together.comparisons[0].difference.high > alone.comparisons[0].difference.high


def test_the_text_tells_counts_differences_and_warnings(rng: np.random.Generator) -> None:
    told = format_summary(
        summarise(log_of(arm(rng, "today", 100), arm(rng, "good", 100, better=0.2), planned_units=999))
    )
    assert told.startswith("sharper: 200 units, 999 were planned, control today\n\n! Only 200 units of 999")
    (quality,) = (line for line in told.splitlines() if line.startswith("quality"))
    assert quality.split()[1] == "good"
    assert quality.split()[2].startswith("+0.")
    assert quality.endswith("better")
    assert " points" in told
    assert "%" in told
