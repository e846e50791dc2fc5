from __future__ import annotations

import numpy as np
import pytest
from _scaling.power_law import power_law
from hypothesis import given
from hypothesis import strategies as st

SIZES = (384, 512, 768, 1024, 1536, 2048)


@given(st.floats(-3, 3), st.floats(1e-6, 1e6))
def test_an_exact_law_is_found_again(exponent: float, factor: float) -> None:
    found = power_law(SIZES, [factor * size**exponent for size in SIZES])
    assert found.exponent == pytest.approx(exponent, abs=1e-6)
    assert found.factor == pytest.approx(factor, rel=1e-5)
    assert found.low <= found.exponent <= found.high
    assert found.high - found.low < 1e-5


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        costs = [size**2.2 * factor for size, factor in zip(SIZES, np.exp(rng.normal(0, 0.1, len(SIZES))), strict=True)]
        found = power_law(SIZES, costs)
        held += found.low <= 2.2 <= found.high
    assert 0.91 <= held / 400 <= 0.98


def test_two_points_have_no_interval() -> None:
    with pytest.raises(ValueError, match="needs three points"):
        power_law((1, 2), (1, 4))
