"""The comparison of two saliencies that every parity check uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Saliency from which a pixel counts as foreground.
FOREGROUND: Final = 0.5


@dataclass(frozen=True)
class Comparison:
    """The difference of a saliency from its reference. Pixels that are not finite count as off by 1.

    Attributes:
        finite: Every pixel is finite.
        max_abs: Largest difference.
        mean_abs: Mean difference.
        off_share: Share of pixels farther off than the tolerance.
        iou: Least intersection over union of the foreground of any image.
    """

    finite: bool
    max_abs: float
    mean_abs: float
    off_share: float
    iou: float


def compare(actual: NDArray[np.float32], expected: NDArray[np.float32], tolerance: float = 0.0) -> Comparison:
    """Compares saliencies, float32 [n, S, S] in 0..1 each.

    Args:
        actual: The saliency to check.
        expected: The reference.
        tolerance: Difference from which a pixel counts as off.
    """
    difference = np.nan_to_num(np.abs(actual - expected), nan=1, posinf=1)
    return Comparison(
        finite=bool(np.isfinite(actual).all()),
        max_abs=float(difference.max()),
        mean_abs=float(difference.mean()),
        off_share=float((difference > tolerance).mean()),
        iou=min(map(mask_iou, actual >= FOREGROUND, expected >= FOREGROUND)),
    )


def mask_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0
