from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

from tuft import Settings
from tuft.errors import OptionError
from tuft.settings.values import NAMES


def test_the_defaults_step_down_for_memory_full_queues_and_missing_models_but_not_for_slowness() -> None:
    defaults = Settings()
    assert (defaults.url, defaults.preset, defaults.timeout_s) == ("localhost:8001", "standard", 120.0)
    assert defaults.max_pixels == 100_000_000
    assert defaults.fallback
    assert not defaults.stable_last
    assert {"memory", "busy", "missing"} <= set(defaults.fallback_on)
    assert "timeout" not in defaults.fallback_on


def test_every_setting_is_documented() -> None:
    for name in NAMES:
        assert re.search(rf"^ +{name}: ", Settings.__doc__ or "", re.MULTILINE), name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"preset": "best"}, "no preset 'best'"),
        *(({"timeout_s": value}, "above zero") for value in (0, -1, float("nan"), float("inf"))),
        ({"breaker_probe_s": 0}, "above zero"),
        ({"max_pixels": 0}, "1 or more"),
        ({"retries": -1}, "from 0 to 10"),
        ({"retries": 11}, "from 0 to 10"),
        ({"retry_budget_percent": 101}, "from 0 to 100"),
        ({"retry_budget_percent": float("nan")}, "from 0 to 100"),
        ({"breaker_failures": -1}, "0 or more"),
        ({"fallback_on": ("memory", "rain")}, "choose some of memory, busy, timeout, circuit, missing"),
    ],
)
def test_what_makes_no_sense(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        Settings(**arguments)


def test_the_ends_of_the_ranges_make_sense() -> None:
    for retries, percent, failures in ((0, 0, 0), (10, 100, 10**6)):
        Settings(retries=retries, retry_budget_percent=percent, breaker_failures=failures, max_pixels=1)
    Settings(fallback_on=())


def test_none_overrides_nothing() -> None:
    assert Settings().overridden(url=None, fallback=False) == Settings(fallback=False)
    with pytest.raises(OptionError):
        Settings().overridden(preset="best")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout_s", "5"),
        ("timeout_s", True),
        ("max_pixels", "100"),
        ("retries", [1]),
        ("url", 5),
        ("preset", ["standard"]),
        ("fallback", "no"),
        ("fallback", 1),
        ("fallback_on", "memory"),
        ("fallback_on", (5,)),
        ("cache_mb", "1" * 1_000_000),
        ("metrics_port", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_of_another_type_is_told_by_name(name: str, value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        Settings(**{name: value})
    assert name in str(caught.value)
    assert len(str(caught.value)) < 500


def test_numbers_of_numpy_and_integral_floats_are_numbers() -> None:
    settings = Settings(timeout_s=np.float32(2), max_pixels=1e8, max_bytes=math.inf)  # type: ignore[arg-type]
    assert settings.timeout_s == 2


@pytest.mark.parametrize(("name", "value"), [("token", 7777), ("headers", "7777"), ("token", ["7777"])])
def test_secrets_are_in_no_message_and_no_repr(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"{name} is of another type: give ") as caught:
        Settings(**{name: value})
    assert "7777" not in str(caught.value)
    assert "7777" not in repr(Settings(token="7777", headers=("x-key: 7777",)))
