"""Extrapolates colours from known to unknown pixels.

Pull-push: S. J. Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Planes = NDArray[np.float32]  # (n, h, w)

# Weight below which a cell takes its values from the next coarser level of the pyramid.
_LITTLE: Final = np.float32(3e-3)


def pull_push(planes: Planes, weight: NDArray[np.float32]) -> Planes:
    """`planes` where they have weight, and averages of ever larger surroundings where they have little or none.

    Args:
        planes: float32 (n, h, w).
        weight: float32 (h, w), at least 0, more than 0 somewhere.

    Returns:
        float32 (n, h, w).
    """
    return _filled(np.concatenate([planes * weight, weight[None]]))


def _filled(weighted: Planes) -> Planes:
    """The values at every pixel; all planes are multiplied by the weight, which is the last plane."""
    height, width = weighted.shape[1:]
    if max(height, width) == 1:
        return np.divide(weighted[:-1], np.maximum(weighted[-1], np.finfo(np.float32).tiny))
    around = _filled(_resized(weighted, ((height + 1) // 2, (width + 1) // 2), cv2.INTER_AREA))
    around = _resized(around, (height, width), cv2.INTER_LINEAR)
    pushed: Planes = (weighted[:-1] + _LITTLE * around) / (weighted[-1] + _LITTLE)
    return pushed


def _resized(planes: Planes, size_hw: tuple[int, int], interpolation: int) -> Planes:
    return np.stack([cv2.resize(plane, size_hw[::-1], interpolation=interpolation) for plane in planes])
