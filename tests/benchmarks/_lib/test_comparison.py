from __future__ import annotations

import numpy as np
import pytest
from _lib.comparison import compared
from scipy.stats import bootstrap


def test_equal_figures_have_a_ratio_of_one_without_doubt() -> None:
    figures = {"a": 2.0, "b": 0.1}
    result = compared(figures, figures)
    assert (result.mean, result.low, result.high) == (1, 1, 1)


def test_the_interval_is_the_bootstraps() -> None:
    rng = np.random.default_rng(0)
    ratios = rng.lognormal(0, 0.4, 40)
    result = compared({str(i): ratio * 3 for i, ratio in enumerate(ratios)}, {str(i): 3.0 for i in range(40)})
    expected = bootstrap(
        (ratios,), np.mean, method="percentile", n_resamples=5000, random_state=np.random.default_rng(1)
    ).confidence_interval
    assert result.mean == pytest.approx(ratios.mean())
    assert result.low == pytest.approx(expected.low, abs=0.02)
    assert result.high == pytest.approx(expected.high, abs=0.02)


def test_the_worst_losses_come_first() -> None:
    result = compared({"a": 1.0, "b": 9.0, "c": 4.0}, {"a": 2.0, "b": 3.0, "c": 4.0})
    assert result.largest(2) == [("b", 3.0), ("c", 1.0)]
    assert str(result).startswith("1.50 (")


def test_pictures_without_error_to_compare_with_are_left_out() -> None:
    assert compared({"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 0.0}).ratios == {"a": 0.5}
    with pytest.raises(ValueError, match="no picture"):
        compared({"a": 1.0}, {"a": 0.0})
