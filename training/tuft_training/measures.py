"""How far an alpha is from the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft_training.scenery.arrays import Field


@dataclass(frozen=True)
class Measures:
    """Errors of one alpha, or their means over several.

    Attributes:
        iou: Intersection over union of both alphas above 0.5; 1 if neither has such a pixel.
        mae: Mean absolute error over all pixels.
        sad: Sum of absolute errors over all pixels, divided by 1000.
    """

    iou: float
    mae: float
    sad: float


def measures(alpha: Field, truth: Field) -> Measures:
    """Compare an alpha with the truth, both [h, w] in 0..1."""
    ours, theirs = alpha > 0.5, truth > 0.5
    union = np.count_nonzero(ours | theirs)
    difference = np.abs(alpha - truth)
    return Measures(
        iou=np.count_nonzero(ours & theirs) / union if union else 1.0,
        mae=float(difference.mean()),
        sad=float(difference.sum(dtype=np.float64)) / 1000,
    )


def mean(several: Sequence[Measures]) -> Measures:
    """The mean of each measure."""
    rows = np.array([[one.iou, one.mae, one.sad] for one in several])
    iou, mae, sad = (float(value) for value in rows.mean(axis=0))
    return Measures(iou, mae, sad)
