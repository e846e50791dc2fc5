"""Simulated experiments with known effects."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuft.inference.observers import RequestEvent
from tuft.operations.experiments import Arm, Log


def event(request_id: str, unit: str | None, **known: Any) -> RequestEvent:
    """A successful request with the attributes `known`."""
    usual = {
        "requested": "standard", "served": "standard", "outcome": "ok",
        "model": "inspyrenet_1024", "model_version": "1",
        "fallback_reason": None, "fallback_cause": None, "attempts": 1, "retries": 0, "milliseconds": {},
        "total_ms": 100.0, "size_hw": (60, 80), "alpha": None, "quality_score": 0.9,
    }  # fmt: skip
    return RequestEvent(request_id=request_id, unit=unit, **{**usual, **known})  # type: ignore[arg-type]


def arm(rng: np.random.Generator, name: str, units: int, *, better: float = 0.0, failing: float = 0.02) -> Arm:
    """Requests of heterogeneous units, one to about eight of each."""
    unit = np.repeat(np.arange(units), rng.poisson(2, units) + 1)
    failed = (rng.random(len(unit)) < (failing * np.exp(rng.normal(0, 0.5, units)))[unit]).astype(np.float64)
    quality = 0.9 + rng.normal(0, 0.05, units)[unit] + rng.normal(0, 0.03, len(unit)) + better
    total_ms = np.exp(6 + rng.normal(0, 0.3, units)[unit] + rng.normal(0, 0.4, len(unit)))
    for column in (quality, total_ms):
        column[failed > 0] = np.nan
    return Arm(name, units, len(unit), unit, failed, total_ms, quality, np.full(len(unit), np.nan))


def log_of(*arms: Arm, planned_units: int | None = None, **known: Any) -> Log:
    """The log of arms with equal shares."""
    units = sum(one.units for one in arms)
    plain: dict[str, Any] = {
        "definitions": 1, "mixed_units": 0, "forced_units": 0, "unreadable_lines": 0,
        "expected_units": {one.name: units / len(arms) for one in arms},
    }  # fmt: skip
    by_name = {one.name: one for one in arms}
    return Log(
        "sharper", arms[0].name, units if planned_units is None else planned_units, by_name, **{**plain, **known}
    )
