"""Paired comparisons: how much better or worse one variant is than another, with a confidence interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import bootstrap

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESAMPLES: Final = 2000
_CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Comparison:
    """The ratios of one variant's figures to another's, picture by picture.

    Attributes:
        mean: Mean of the ratios.
        low: Lower end of the 95 % percentile bootstrap interval of the mean, resampled over pictures.
        high: Upper end of the interval.
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
    """Compares figures picture by picture; pictures where theirs is not positive are left out.

    Raises:
        ValueError: No picture is left.
    """
    ratios = {name: ours[name] / theirs[name] for name in theirs if theirs[name] > 0}
    if not ratios:
        raise ValueError("There is no picture to compare on.")
    values = np.array(list(ratios.values()))
    mean = float(values.mean())
    if len(values) == 1:  # scipy resamples two values or more
        return Comparison(mean, mean, mean, ratios)
    resampled = bootstrap(
        (values,),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=_CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(seed),
    )
    interval = resampled.confidence_interval
    return Comparison(mean, float(interval.low), float(interval.high), ratios)
