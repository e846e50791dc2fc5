"""How a cost grows: the exponent of a power law, with its interval."""

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
    """cost = factor * x ** exponent, with the ends of the exponent's 95 % interval."""

    factor: float
    exponent: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.exponent:.2f} ({self.low:.2f} to {self.high:.2f})"


def power_law(x: Sequence[float], cost: Sequence[float]) -> PowerLaw:
    """Fits a line to the logarithms by least squares; the interval is Student's.

    Raises:
        ValueError: There are fewer than three points, so that nothing tells how well they fit.
    """
    if len(x) < 3:
        raise ValueError(f"An exponent needs three points to have an interval, not {len(x)}: measure more.")
    line = stats.linregress(np.log(x), np.log(cost))
    # Of equal costs, which a line meets exactly, scipy gives no error.
    margin = float(np.nan_to_num(stats.t.ppf((1 + _CONFIDENCE) / 2, len(x) - 2) * line.stderr))
    exponent = float(line.slope)
    return PowerLaw(float(np.exp(line.intercept)), exponent, exponent - margin, exponent + margin)
