"""How sure a figure is, when units were drawn and each may have sent many requests.

Requests of one unit resemble each other, so that units count and not requests. The error of a mean over all requests
is that of its linearised value per unit (the delta method: A. Deng, U. Knoblich, J. Lu, "Applying the delta method in
metric analytics", KDD 2018). Proportions have Wilson's interval for the number of independent requests that would be as
uncertain; quantiles have the values at the ends of the interval of their rank (R. Woodruff, "Confidence intervals for
medians and other position measures", JASA 1952). Differences join the intervals of both sides by square-and-add: R.
Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 1998, method
10; for any figure G. Zou and A. Donner, Statistics in Medicine 2008.
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
# The chance of any wrong verdict before the plan is reached, however often somebody looks; the plan's own comes on top.
EARLY_ALPHA: Final = 0.01
SRM_ALPHA: Final = 0.001  # R. Kohavi, D. Tang, Y. Xu, "Trustworthy online controlled experiments", 2020, chapter 21


@dataclass(frozen=True)
class Interval:
    """A figure and how far off it may be; `high` is infinite where the requests are too few to bound it."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the figure's sign is sure."""
        return self.low > 0 or self.high < 0


def critical_value(units: int, planned_units: int, comparisons: int = 1) -> float:
    """How many standard errors an interval reaches to each side.

    Once the plan is reached: 95 %, for all comparisons with the control together (Bonferroni). Before: an asymptotic
    confidence sequence of 99 %, narrowest at the plan, which may be looked at after every unit (I. Waudby-Smith et al.,
    "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 2024, theorem 2.2).

    Args:
        units: Seen so far.
        planned_units: As the experiment says.
        comparisons: How many variants are compared with the control.

    Raises:
        SetupError: SciPy is not installed.
    """
    if units >= planned_units:
        return float(_scipy_stats().norm.isf(ALPHA / comparisons / 2))
    alpha = EARLY_ALPHA / comparisons
    # The paper's ρ² that is best at the plan, times units.
    scaled = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) * max(units, 1) / planned_units
    return math.sqrt(2 * (1 + 1 / scaled) * math.log(math.sqrt(1 + scaled) / alpha))


def mean_interval(values: Floats, unit: Units, critical: float) -> Interval:
    """Of the mean of `values` [n], the requests of the units `unit` [n]; of two units or more.

    Raises:
        SetupError: SciPy is not installed.
    """
    mean, error, units = _clustered(values, unit)
    stats = _scipy_stats()
    reach = float(stats.t.isf(stats.norm.sf(critical), units - 1)) * error
    return Interval(mean, mean - reach, mean + reach)


def proportion_interval(hits: Floats, unit: Units, critical: float) -> Interval:
    """Of the share of ones among `hits` [n], zeros and ones: Wilson's, for as many requests as are independent."""
    share, error, units = _clustered(hits, unit)
    independent = float(len(hits))
    if len(hits) > units:  # otherwise nobody has asked twice
        independent = share * (1 - share) / error**2 if error else float(units)
    n = min(independent, float(len(hits)))
    square = critical**2 / n
    middle = (share + square / 2) / (1 + square)
    reach = math.sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    return Interval(share, min(max(middle - reach, 0.0), share), max(min(middle + reach, 1.0), share))


def quantile_interval(values: Floats, unit: Units, quantile: float, critical: float) -> Interval:
    """Of a quantile of `values` [n], 0 < quantile < 1."""
    value = float(np.quantile(values, quantile))
    below = (values <= value).astype(np.float64)
    _, error, _ = _clustered(below, unit)
    # A sample in which all units agree says little: at least the error of independent requests.
    reach = critical * max(error, math.sqrt(quantile * (1 - quantile) / len(values)))
    low, high = (float(np.quantile(values, min(max(rank, 0.0), 1.0))) for rank in (quantile - reach, quantile + reach))
    return Interval(value, low if quantile > reach else 0.0, high if quantile + reach < 1 else math.inf)


def difference(of: Interval, to: Interval) -> Interval:
    """`of` minus `to`, of independent units, by square-and-add."""
    value = of.value - to.value
    low = value - math.hypot(of.value - of.low, to.high - to.value)
    return Interval(value, low, value + math.hypot(of.high - of.value, to.value - to.low))


def mismatch_p(observed: Mapping[str, int], expected: Mapping[str, float]) -> float:
    """The chance that a sound draw misses the expected counts by as much as this or more (chi-square); 1 if none can.

    Raises:
        SetupError: SciPy is not installed.
    """
    names = [name for name, count in expected.items() if count > 0]
    if len(names) < 2:
        return 1.0
    counts = [observed.get(name, 0) for name in names]
    whole = sum(counts) / sum(expected[name] for name in names)
    return float(_scipy_stats().chisquare(counts, [expected[name] * whole for name in names]).pvalue)


def _clustered(values: Floats, unit: Units) -> tuple[float, float, int]:
    """Mean over the requests, its standard error by units (infinite for one unit), and how many units there are."""
    present, number = np.unique(unit, return_inverse=True)
    units = len(present)
    mean = float(values.mean())
    if units < 2:
        return mean, math.inf, units
    sums = np.bincount(number, values - mean, units)  # they add up to zero
    spread = float(np.square(sums).sum()) / (units - 1)
    return mean, math.sqrt(spread * units) / len(values), units


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ImportError as exc:
        raise SetupError("The report needs SciPy, which is not installed: pip install 'tuft[experiments]'.") from exc
    return stats
