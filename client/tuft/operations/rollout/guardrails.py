"""Guard rails: is the new version worse than the old one by more than is allowed, and by more than chance explains?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.operations.experiments.statistics import (
    Interval,
    clustered_mean,
    difference,
    proportion_interval,
    quantile_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.operations.rollout.outcomes import Sample
    from tuft.operations.rollout.state import Guards

    Floats = NDArray[np.float64]
    Units = NDArray[np.intp]
    Estimate = Callable[[Floats, Units, float], Interval]

# `tuft.imaging.quality_score` gives scores this low to blank mattes and to noise, and to hardly anything else.
NEAR_ZERO_SCORE: Final = 0.05


@dataclass(frozen=True)
class Verdict:
    """The verdict of one guardrail.

    Attributes:
        guard: Name of the attribute of `Guards`.
        figure: Name of the figure that is compared, for display.
        old: The old version's figure as text; `–` where there is none.
        new: The new version's figure as text, in the same way.
        limit: The limit as text.
        tripped: Whether the new version must be withdrawn; None while there are too few requests to tell.
    """

    guard: str
    figure: str
    old: str
    new: str
    limit: str
    tripped: bool | None

    def __str__(self) -> str:
        return f"{self.figure} {self.new} instead of {self.old}"


def evaluate_guardrails(old: Sample, new: Sample, guards: Guards) -> list[Verdict]:
    """The verdict of each guardrail on the outcomes of both versions."""
    return [rail.verdict(old, new, guards) for rail in _RAILS]


@dataclass(frozen=True)
class _Rail:
    """How one figure is compared.

    Attributes:
        guard: Name of the attribute of `Guards` with the limit.
        figure: Name of the figure, for display.
        column: The column of `Sample` that the figure is computed from.
        estimate: Computes the figure from values, units and the critical value.
        format: Formats the figure.
        limit: Format string of the limit.
        worse: 1 if higher is worse, -1 if lower is worse, 0 if any change is.
        by_unit: Whether requests of one unit depend on each other.
        limit_of_difference: From the limit to that of the difference of both figures.
    """

    guard: str
    figure: str
    column: str
    estimate: Estimate
    format: Callable[[float], str]
    limit: str
    worse: int = 1
    by_unit: bool = True
    limit_of_difference: Callable[[float], float] = float

    def verdict(self, old: Sample, new: Sample, guards: Guards) -> Verdict:
        """Compares the figure of both versions with the limit."""
        limit = getattr(guards, self.guard)
        old_figure, new_figure = (self._interval(sample, guards) for sample in (old, new))
        tripped = None
        if old_figure is not None and new_figure is not None and self._has_enough(old, new, guards):
            tripped = self._worse_by(difference(new_figure, old_figure)) > self.limit_of_difference(limit)
        old_text, new_text = ("–" if one is None else self.format(one.value) for one in (old_figure, new_figure))
        return Verdict(self.guard, self.figure, old_text, new_text, self.limit.format(limit), tripped)

    def _interval(self, sample: Sample, guards: Guards) -> Interval | None:
        values, unit = self._known(sample)
        return self.estimate(values, unit, guards.standard_errors) if len(np.unique(unit)) > 1 else None

    def _has_enough(self, old: Sample, new: Sample, guards: Guards) -> bool:
        units = [len(np.unique(self._known(sample)[1])) for sample in (old, new)]
        return units[0] >= 2 * guards.min_requests and units[1] >= guards.min_requests

    def _known(self, sample: Sample) -> tuple[Floats, Units]:
        values: Floats = getattr(sample, self.column)
        known = ~np.isnan(values)
        unit = sample.unit if self.by_unit else np.arange(len(sample), dtype=np.intp)
        return values[known], unit[known]

    def _worse_by(self, change: Interval) -> float:
        """Lower bound of how much worse the new version is; not above zero if it may be no worse."""
        return {1: change.low, -1: -change.high, 0: max(change.low, -change.high)}[self.worse]


def _p95(values: Floats, unit: Units, critical: float) -> Interval:
    return quantile_interval(np.log(values), unit, 0.95, critical)


def _near_zero(values: Floats, unit: Units, critical: float) -> Interval:
    return proportion_interval((values < NEAR_ZERO_SCORE).astype(np.float64), unit, critical)


def _mean(values: Floats, unit: Units, critical: float) -> Interval:
    mean, error, _ = clustered_mean(values, unit)  # pictures of one customer resemble each other
    return Interval(mean, mean - critical * error, mean + critical * error)


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _number(value: float) -> str:
    return f"{value:.3f}"


def _ms_from_log(value: float) -> str:
    return f"{math.exp(value):.0f} ms"


_RAILS: Final = (
    # Failures of one unit are independent of each other: the old version has answered the same requests.
    _Rail("errors", "requests that failed", "failed", proportion_interval, _percent, "{:.1%} more", by_unit=False),
    _Rail("p95_ratio", "p95 latency", "ms", _p95, _ms_from_log, "{:g} times", limit_of_difference=math.log),
    _Rail("quality", "mean quality", "quality", _mean, _number, "{:.3f} less", worse=-1),
    _Rail("near_zero", "quality near zero", "quality", _near_zero, _percent, "{:.1%} more"),
    _Rail("subject", "mean share of subject", "subject", _mean, _number, "{:.3f} other", worse=0),
)
