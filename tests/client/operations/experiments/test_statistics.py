"""Intervals against SciPy, published examples, invariants and simulation."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy import stats

from tuft.errors import SetupError
from tuft.operations.experiments.statistics import (
    EARLY_ALPHA,
    critical_value,
    difference,
    mean_interval,
    mismatch_p,
    proportion_interval,
    quantile_interval,
)

AT_PLAN = critical_value(100, 100)


def singly(values: np.ndarray) -> np.ndarray:
    return np.arange(len(values))


def proportion(hits: int, n: int) -> np.ndarray:
    return np.repeat([1.0, 0.0], [hits, n - hits])


def test_the_mean_of_units_that_asked_once_has_students_interval(rng: np.random.Generator) -> None:
    values = rng.exponential(size=30)
    ours = mean_interval(values, singly(values), AT_PLAN)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_differences_of_means_have_welchs_interval(rng: np.random.Generator) -> None:
    of, to = rng.normal(0.8, 0.1, 300), rng.normal(0.7, 0.3, 200)
    ours = difference(*(mean_interval(values, singly(values), AT_PLAN) for values in (of, to)))
    theirs = stats.ttest_ind(of, to, equal_var=False).confidence_interval()
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.005)


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (3, 20), (20, 20), (7, 1000)])
def test_proportions_of_units_that_asked_once_have_wilsons_interval(hits: int, n: int) -> None:
    values = proportion(hits, n)
    ours = proportion_interval(values, singly(values), AT_PLAN)
    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


# R. Newcombe, Statistics in Medicine 17 (1998), table II, method 10.
@pytest.mark.parametrize(
    ("of", "to", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_differences_of_proportions_are_those_of_newcombes_paper(
    of: tuple[int, int], to: tuple[int, int], low: float, high: float
) -> None:
    sides = [proportion(*side) for side in (of, to)]
    ours = difference(*(proportion_interval(values, singly(values), AT_PLAN) for values in sides))
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_quantiles_of_units_that_asked_once_have_the_binomials_interval(
    rng: np.random.Generator, quantile: float
) -> None:
    """SciPy's interval is exact and ends at values of the sample; ours may differ by three of 800 ranks."""
    values = rng.lognormal(6, 0.6, 800)
    ours = quantile_interval(values, singly(values), quantile, AT_PLAN)
    theirs = stats.quantile_test(values, p=quantile).confidence_interval()
    for our_end, their_end in ((ours.low, theirs.low), (ours.high, theirs.high)):
        assert abs(int((values <= our_end).sum()) - int((values <= their_end).sum())) <= 3


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_quantiles_of_units_that_ask_often_are_covered(rng: np.random.Generator, quantile: float) -> None:
    """Half of the variance is between units: intervals for independent requests would have far too little coverage."""
    true = math.exp(stats.norm.ppf(quantile))
    unit = np.repeat(np.arange(150), 8)
    covered = 0
    for _ in range(300):
        values = np.exp(np.sqrt(0.5) * (rng.normal(size=150)[unit] + rng.normal(size=len(unit))))
        interval = quantile_interval(values, unit, quantile, AT_PLAN)
        covered += interval.low <= true <= interval.high
    assert 0.92 <= covered / 300 <= 0.98


def test_asking_five_times_the_same_proves_nothing_more(rng: np.random.Generator) -> None:
    values, hits = rng.normal(size=200), (rng.random(200) < 0.1).astype(np.float64)
    often = np.repeat(np.arange(200), 5)
    once, five = (mean_interval(*pair, AT_PLAN) for pair in ((values, singly(values)), (np.repeat(values, 5), often)))
    assert (once.low, once.high) == pytest.approx((five.low, five.high))
    once, five = (proportion_interval(*pair, AT_PLAN) for pair in ((hits, singly(hits)), (np.repeat(hits, 5), often)))
    assert (once.low, once.high) == pytest.approx((five.low, five.high), rel=0.01)


def test_few_requests_do_not_bound_a_high_quantile() -> None:
    values = np.arange(20.0)
    assert quantile_interval(values, singly(values), 0.95, AT_PLAN).high == math.inf
    assert quantile_interval(values, singly(values), 0.5, AT_PLAN).high < 19


def test_the_plan_ends_in_an_interval_of_95_percent_for_all_comparisons() -> None:
    assert critical_value(100, 100) == pytest.approx(1.959964, abs=1e-6)
    assert critical_value(100, 100, comparisons=2) == pytest.approx(stats.norm.isf(0.0125))


def test_before_the_plan_the_bound_is_narrowest_there() -> None:
    values = [critical_value(units, 10_000) / math.sqrt(units) for units in range(1000, 10_000, 1000)]
    assert values == sorted(values, reverse=True)
    assert critical_value(9_999, 10_000) < 4 < critical_value(100, 10_000)


def test_looking_after_every_unit_misleads_no_more_often_than_promised(rng: np.random.Generator) -> None:
    bound = np.array([critical_value(units, 1001) for units in range(1, 1001)]) * np.sqrt(np.arange(1, 1001))
    walks = np.cumsum(rng.normal(size=(4000, 1000)), axis=1)
    assert (np.abs(walks) > bound).any(axis=1).mean() <= EARLY_ALPHA


def test_a_mismatch_is_a_chi_square() -> None:
    """χ² = 200²/5000 + 200²/5000 = 16 on one degree of freedom."""
    assert mismatch_p({"a": 5200, "b": 4800}, {"a": 5000, "b": 5000}) == pytest.approx(6.334e-5, rel=1e-3)
    assert mismatch_p({"a": 5010, "b": 4990}, {"a": 5000, "b": 5000}) > 0.8
    assert mismatch_p({"a": 10}, {"a": 10}) == 1


def test_scipy_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(SetupError, match=r"pip install 'tuft-matting\[experiments\]'\.$"):
        critical_value(100, 100)
