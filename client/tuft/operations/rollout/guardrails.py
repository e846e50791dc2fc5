"""Whether the new version does worse than the old one: by more than is allowed, and by more than chance explains."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.errors import OptionError
from tuft.operations.experiments.statistics import Interval, difference, proportion_interval, quantile_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.operations.rollout.outcomes import Sample

    Floats = NDArray[np.float64]
    Units = NDArray[np.intp]
    Estimate = Callable[[Floats, Units, float], Interval]

# A score that `tuft.imaging.quality_score` gives to blank mattes and to noise, and to hardly anything else.
NEAR_ZERO_SCORE: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Guards:
    """By how much the new version may do worse than the old one; all numbers are above zero.

    Attributes:
        errors: Share of requests that it fails, 0..1, above the old version's.
        p95_ratio: Its p95 latency, in that of the old version; above 1.
        quality: Drop of the mean quality score, 0..1.
        near_zero: Share of requests with a quality score near zero, above the old version's.
        subject: Change of the mean share of the picture that is subject, up or down, 0..1.
        min_requests: No verdict before the new version has had so many, from as many units where pictures matter, and
            the old one twice as many.
        standard_errors: So far beyond what is allowed a difference has to be. Somebody looks every few seconds: with 4,
            chance trips a guard in less than one rollout of a hundred.

    Raises:
        OptionError: A number is not in its range.
    """

    errors: float = 0.02
    p95_ratio: float = 1.5
    quality: float = 0.03
    near_zero: float = 0.02
    subject: float = 0.05
    min_requests: int = 10
    standard_errors: float = 4.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value, least = getattr(self, one.name), 1 if one.name == "p95_ratio" else 0
            if not (isinstance(value, int | float) and least < value < math.inf):
                raise OptionError(f"The guard rail {one.name} is {value}: give a number above {least}.")


@dataclass(frozen=True)
class Verdict:
    """What one guard rail says.

    Attributes:
        guard: Its name, as `Guards` has it.
        figure: What it looks at.
        old: The old version's figure, to be read; `–` where there is none, here and below.
        new: The new version's figure.
        limit: What may not be.
        tripped: Whether the new version has to go; None while there are too few requests to say.
    """

    guard: str
    figure: str
    old: str
    new: str
    limit: str
    tripped: bool | None

    def __str__(self) -> str:
        return f"{self.figure} {self.new} instead of {self.old}"


def judge(old: Sample, new: Sample, guards: Guards) -> list[Verdict]:
    """What each guard rail says of the outcomes of both versions."""
    return [rail.verdict(old, new, guards) for rail in _RAILS]


@dataclass(frozen=True)
class _Rail:
    """How one figure is compared; `worse` is 1 where more is worse, -1 where less is, 0 where any change is."""

    guard: str
    figure: str
    column: str
    estimate: Estimate
    told: Callable[[float], str]
    limit: str
    worse: int = 1
    by_unit: bool = True
    allowed_from_guard: Callable[[float], float] = float

    def verdict(self, old: Sample, new: Sample, guards: Guards) -> Verdict:
        allowed = getattr(guards, self.guard)
        of_old, of_new = (self._interval(sample, guards) for sample in (old, new))
        tripped = None
        if of_old is not None and of_new is not None and self._enough(old, new, guards):
            tripped = self._worse_by(difference(of_new, of_old)) > self.allowed_from_guard(allowed)
        old_told, new_told = ("–" if one is None else self.told(one.value) for one in (of_old, of_new))
        return Verdict(self.guard, self.figure, old_told, new_told, self.limit.format(allowed), tripped)

    def _interval(self, sample: Sample, guards: Guards) -> Interval | None:
        values, unit = self._known(sample)
        return self.estimate(values, unit, guards.standard_errors) if len(np.unique(unit)) > 1 else None

    def _enough(self, old: Sample, new: Sample, guards: Guards) -> bool:
        units = [len(np.unique(self._known(sample)[1])) for sample in (old, new)]
        return units[0] >= 2 * guards.min_requests and units[1] >= guards.min_requests

    def _known(self, sample: Sample) -> tuple[Floats, Units]:
        values: Floats = getattr(sample, self.column)
        known = ~np.isnan(values)
        unit = sample.unit if self.by_unit else np.arange(len(sample), dtype=np.intp)
        return values[known], unit[known]

    def _worse_by(self, change: Interval) -> float:
        """At the least; not above zero if it may be no worse."""
        return {1: change.low, -1: -change.high, 0: max(change.low, -change.high)}[self.worse]


def _p95(values: Floats, unit: Units, critical: float) -> Interval:
    return quantile_interval(np.log(values), unit, 0.95, critical)


def _near_zero(values: Floats, unit: Units, critical: float) -> Interval:
    return proportion_interval((values < NEAR_ZERO_SCORE).astype(np.float64), unit, critical)


def _mean(values: Floats, unit: Units, critical: float) -> Interval:
    """Its error is that of the sums of units: pictures of one customer resemble each other."""
    mean = float(values.mean())
    _, number = np.unique(unit, return_inverse=True)
    sums = np.bincount(number, values - mean)
    error = math.sqrt(float(np.square(sums).sum()) * len(sums) / (len(sums) - 1)) / len(values)
    return Interval(mean, mean - critical * error, mean + critical * error)


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _number(value: float) -> str:
    return f"{value:.3f}"


def _ms_from_log(value: float) -> str:
    return f"{math.exp(value):.0f} ms"


_RAILS: Final = (
    # Each failure is the version's own: the old one has answered the same request.
    _Rail("errors", "requests that failed", "failed", proportion_interval, _percent, "{:.1%} more", by_unit=False),
    _Rail("p95_ratio", "p95 latency", "ms", _p95, _ms_from_log, "{:g} times", allowed_from_guard=math.log),
    _Rail("quality", "mean quality", "quality", _mean, _number, "{:.3f} less", worse=-1),
    _Rail("near_zero", "quality near zero", "quality", _near_zero, _percent, "{:.1%} more"),
    _Rail("subject", "mean share of subject", "subject", _mean, _number, "{:.3f} other", worse=0),
)
