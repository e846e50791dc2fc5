"""Confidence intervals for clustered data: units are randomised, and each may send many requests.

Requests of one unit are correlated, so the number of units determines the precision, not the number of requests.

- Means: cluster-robust standard error by linearisation (the delta method: A. Deng, U. Knoblich, J. Lu, "Applying the
  delta method in metric analytics", KDD 2018).
- Proportions: Wilson's interval with the effective sample size, the number of independent requests with the same
  standard error.
- Quantiles: the values at both ends of the interval of the rank (R. Woodruff, "Confidence intervals for medians and
  other position measures", JASA 1952).
- Differences: square-and-add (R. Newcombe, "Interval estimation for the difference between independent proportions",
  Statistics in Medicine 1998, method 10; for any figure G. Zou and A. Donner, Statistics in Medicine 2008).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Units = NDArray[np.intp]

ALPHA: Final = 0.05
# Probability of any false verdict before the plan is reached, with any number of looks; ALPHA comes on top at the plan.
EARLY_ALPHA: Final = 0.01
SRM_ALPHA: Final = 0.001  # R. Kohavi, D. Tang, Y. Xu, "Trustworthy online controlled experiments", 2020, chapter 21


@dataclass(frozen=True)
class Interval:
    """A figure with its confidence interval; `high` is infinite where too few requests bound it."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the sign of the figure is significant."""
        return self.low > 0 or self.high < 0


def critical_value(units: int, planned_units: int, comparisons: int = 1) -> float:
    """The half-width of an interval in standard errors.

    Once the plan is reached, the confidence level is 95 % for all comparisons with the control together (Bonferroni).
    Before, it is a 99 % asymptotic confidence sequence, narrowest at the plan, which is valid at every look (I.
    Waudby-Smith et al., "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics
    2024, theorem 2.2).

    Args:
        units: Number of units seen so far.
        planned_units: Planned number of units.
        comparisons: Number of variants that are compared with the control.

    Raises:
        SetupError: SciPy is not installed.
    """
    if units >= planned_units:
        return float(_scipy_stats().norm.isf(ALPHA / comparisons / 2))
    alpha = EARLY_ALPHA / comparisons
    # The paper's ρ², optimised for the plan, times units.
    scaled = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) * max(units, 1) / planned_units
    return math.sqrt(2 * (1 + 1 / scaled) * math.log(math.sqrt(1 + scaled) / alpha))


def mean_interval(values: Floats, unit: Units, critical: float) -> Interval:
    """The interval of a mean.

    Args:
        values: [n], one value for each request.
        unit: [n], number of the unit that sent it; at least two different ones.
        critical: Half-width in standard errors, as `critical_value` gives it.

    Raises:
        SetupError: SciPy is not installed.
    """
    mean, error, units = clustered_mean(values, unit)
    stats = _scipy_stats()
    reach = float(stats.t.isf(stats.norm.sf(critical), units - 1)) * error
    return Interval(mean, mean - reach, mean + reach)


def proportion_interval(hits: Floats, unit: Units, critical: float) -> Interval:
    """Wilson's interval of the share of ones among `hits` [n], zeros and ones; see `mean_interval`."""
    share, error, units = clustered_mean(hits, unit)
    independent = float(len(hits))
    if len(hits) > units:  # otherwise all requests are independent
        independent = share * (1 - share) / error**2 if error else float(units)
    n = min(independent, float(len(hits)))
    square = critical**2 / n
    middle = (share + square / 2) / (1 + square)
    reach = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return Interval(share, min(max(middle - reach, 0.0), share), max(min(middle + reach, 1.0), share))


def quantile_interval(values: Floats, unit: Units, quantile: float, critical: float) -> Interval:
    """The interval of a quantile of `values` [n], 0 < quantile < 1; see `mean_interval`."""
    value = float(np.quantile(values, quantile))
    below = (values <= value).astype(np.float64)
    _, error, _ = clustered_mean(below, unit)
    # Where all units agree the estimated error is zero; use at least the error of independent requests.
    reach = critical * max(error, math.sqrt(quantile * (1 - quantile) / len(values)))
    low, high = (float(np.quantile(values, min(max(rank, 0.0), 1.0))) for rank in (quantile - reach, quantile + reach))
    return Interval(value, low if quantile > reach else 0.0, high if quantile + reach < 1 else math.inf)


def difference(of: Interval, to: Interval) -> Interval:
    """The interval of `of` minus `to`, which come from independent units, by square-and-add."""
    value = of.value - to.value
    low = value - math.hypot(of.value - of.low, to.high - to.value)
    return Interval(value, low, value + math.hypot(of.high - of.value, to.value - to.low))


def mismatch_p(observed: Mapping[str, int], expected: Mapping[str, float]) -> float:
    """The p-value of a sample-ratio mismatch (chi-square test of the counts); 1 if fewer than two are expected.

    Raises:
        SetupError: SciPy is not installed.
    """
    names = [name for name, count in expected.items() if count > 0]
    if len(names) < 2:
        return 1.0
    counts = [observed.get(name, 0) for name in names]
    whole = sum(counts) / sum(expected[name] for name in names)
    return float(_scipy_stats().chisquare(counts, [expected[name] * whole for name in names]).pvalue)


def clustered_mean(values: Floats, unit: Units) -> tuple[float, float, int]:
    """The mean, its cluster-robust standard error (infinite for a single unit), and the number of units.

    Args:
        values: [n], one value for each request.
        unit: [n], number of the unit that sent it.
    """
    present, number = np.unique(unit, return_inverse=True)
    units = len(present)
    mean = float(values.mean())
    if units < 2:
        return mean, math.inf, units
    sums = np.bincount(number, values - mean, units)  # they sum to zero
    spread = float(np.square(sums).sum()) / (units - 1)
    return mean, math.sqrt(spread * units) / len(values), units


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError as exc:
        message = "The report needs SciPy, which is not installed: pip install 'tuft-matting[experiments]'."
        raise SetupError(message) from exc
    return stats
