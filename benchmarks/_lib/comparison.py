"""Paired comparisons: how much better or worse one variant is than another, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESAMPLES: Final = 2000
_INTERVAL: Final = (2.5, 97.5)  # percent


@dataclass(frozen=True)
class Comparison:
    """The ratios of one variant's figures to another's, picture by picture.

    Attributes:
        mean: Of the ratios.
        low: Lower end of the bootstrap's 95 % interval of the mean, pictures drawn with replacement.
        high: Its upper end.
        ratios: By picture.
    """

    mean: float
    low: float
    high: float
    ratios: Mapping[str, float]

    def largest(self, count: int) -> list[tuple[str, float]]:
        """The pictures with the largest ratios: for errors, the worst losses first."""
        return sorted(self.ratios.items(), key=lambda item: -item[1])[:count]

    def __str__(self) -> str:
        return f"{self.mean:.2f} ({self.low:.2f} to {self.high:.2f})"


def compared(ours: Mapping[str, float], theirs: Mapping[str, float], *, seed: int = 0) -> Comparison:
    """Compare figures by picture; pictures where theirs is not positive are left out.

    Raises:
        ValueError: No picture is left.
    """
    ratios = {name: ours[name] / theirs[name] for name in theirs if theirs[name] > 0}
    if not ratios:
        raise ValueError("There is no picture to compare on.")
    values = np.array(list(ratios.values()))
    drawn = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), _INTERVAL)
    return Comparison(float(values.mean()), float(low), float(high), ratios)
