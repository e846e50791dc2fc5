"""Fits power laws to costs, with a confidence interval of the exponent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class PowerLaw:
    """cost = factor * x ** exponent, with the ends `low` and `high` of the exponent's 95 % confidence interval."""

    factor: float
    exponent: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.exponent:.2f} ({self.low:.2f} to {self.high:.2f})"


def power_law(x: Sequence[float], cost: Sequence[float]) -> PowerLaw:
    """Fits a line to the logarithms by least squares, with Student's t interval for the slope.

    Raises:
        ValueError: There are fewer than three points, too few for an interval.
    """
    if len(x) < 3:
        raise ValueError(f"An exponent needs three points to have an interval, not {len(x)}: measure more.")
    line = stats.linregress(np.log(x), np.log(cost))
    # For an exact fit of equal costs scipy's standard error is NaN.
    margin = float(np.nan_to_num(stats.t.ppf((1 + _CONFIDENCE) / 2, len(x) - 2) * line.stderr))
    exponent = float(line.slope)
    return PowerLaw(float(np.exp(line.intercept)), exponent, exponent - margin, exponent + margin)
