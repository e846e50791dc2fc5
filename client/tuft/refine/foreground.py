"""The subject's own colours along its edges, without the old background's.

A pixel of the band is I = a·F + (1 − a)·B; I and a are known. Sure foreground and sure background are spread into the
band (pull-push: S. J. Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4.1); then F and B are by turns
corrected as little as the equation demands and smoothed with alpha as the weight (as M. Forte, Approximate Fast
Foreground Colour Estimation, ICIP 2021, "blur fusion"). Background colours vary slowly next to edges, so all this
happens on a coarse grid; only the last correction looks at every pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.refine.grid import cells_of, enlarged
from tuft.refine.tiles import Tile, for_each, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]  # (h, w)
    Planes = NDArray[np.float32]  # (3, h, w)

# The grid's long side has about this many cells, each of at least 2 × 2 pixels.
_GRID_SIDE: Final = 768
_SMALLEST_CELL: Final = 2
# A pixel lends its colour by alpha to this power, at 0.9 a fifth as much as an opaque one, and by a trifle of alpha
# itself, which decides where nothing is opaque.
_SURENESS: Final = 16
_TRIFLE: Final = 1e-4
# Weight below which a cell takes its colour from the next coarser level of the pyramid.
_LITTLE: Final = 3e-3
# Rounds of correcting and smoothing, and how far the smoothing reaches, in cells.
_ROUNDS: Final = 4
_REACH: Final = 2
_TILE: Final = 256
# Alpha that rounds to 0 or to 255: such pixels are left as they are.
_CLEAR: Final = 0.5 / 255
_OPAQUE: Final = 254.5 / 255


def estimate_foreground(rgb: NDArray[np.uint8], alpha: Plane) -> NDArray[np.uint8]:
    """Foreground colours for a cut-out.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1.

    Returns:
        uint8 (H, W, 3): estimated where alpha lies between clear and opaque, the photograph's elsewhere.
    """
    foreground = rgb.copy()
    soft = cv2.inRange(alpha, _CLEAR, _OPAQUE)
    if not soft.any():
        return foreground
    cell = max(_SMALLEST_CELL, round(max(alpha.shape) / _GRID_SIDE))
    layers = _smooth_layers(_planes(cells_of(rgb, cell)), cells_of(alpha, cell))

    def estimate(tile: Tile) -> None:
        region = tile.inner
        if soft[region].any():
            F, B = (np.stack([enlarged(plane, cell, region) for plane in planes]) for planes in layers)
            exact, _ = _corrected(F, B, alpha[region], _planes(rgb[region]))
            cv2.copyTo(cv2.merge(list(np.rint(exact).astype(np.uint8))), soft[region], foreground[region])

    for_each(estimate, tiles((alpha.shape[0], alpha.shape[1]), _TILE))
    return foreground


def _planes(rgb: NDArray[np.uint8]) -> Planes:
    """float32 (3, h, w) of uint8 (h, w, 3): arithmetic with alpha is several times faster on whole planes."""
    planes: Planes = np.stack(cv2.split(rgb)).astype(np.float32)
    return planes


def _smooth_layers(image: Planes, alpha: Plane) -> tuple[Planes, Planes]:
    """F and B on the grid."""
    F, B = _spread(image, alpha), _spread(image, 1 - alpha)
    for _ in range(_ROUNDS):
        F, B = _corrected(F, B, alpha, image)
        F, B = _smoothed(F, alpha), _smoothed(B, 1 - alpha)
    return F, B


def _corrected(F: Planes, B: Planes, alpha: Plane, image: Planes) -> tuple[Planes, Planes]:
    """The nearest F and B with a·F + (1 − a)·B = I, clipped to 0..255."""
    share = 1 - alpha
    rest = (image - alpha * F - share * B) / (alpha * alpha + share * share)
    return np.clip(F + alpha * rest, 0, 255), np.clip(B + share * rest, 0, 255)


def _smoothed(planes: Planes, weight: Plane) -> Planes:
    """The weighted mean over (2·_REACH + 1)² cells; the plain one where nothing has weight."""
    side = (2 * _REACH + 1, 2 * _REACH + 1)
    weight = weight + np.float32(1e-3)
    mean: Planes = np.stack([cv2.blur(plane * weight, side) for plane in planes]) / cv2.blur(weight, side)
    return mean


def _spread(image: Planes, share: Plane) -> Planes:
    """The colours of sure pixels spread over all others."""
    weight = share**_SURENESS + np.float32(_TRIFLE) * share
    return _pull_push(np.concatenate([image * weight, weight[None]]))


def _pull_push(weighted: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours where there is weight, those of ever larger surroundings where there is little or none.

    Args:
        weighted: float32 (4, h, w), colours multiplied by their weight, and the weight.

    Returns:
        float32 (3, h, w).
    """
    height, width = weighted.shape[1:]
    if max(height, width) == 1:
        return np.divide(weighted[:3], np.maximum(weighted[3], np.finfo(np.float32).tiny))
    around = _pull_push(_resized(weighted, ((height + 1) // 2, (width + 1) // 2), cv2.INTER_AREA))
    around = _resized(around, (height, width), cv2.INTER_LINEAR)
    pushed: Planes = (weighted[:3] + np.float32(_LITTLE) * around) / (weighted[3] + np.float32(_LITTLE))
    return pushed


def _resized(planes: Planes, size_hw: tuple[int, int], interpolation: int) -> Planes:
    return np.stack([cv2.resize(plane, size_hw[::-1], interpolation=interpolation) for plane in planes])
