"""Alpha where the network's edges are soft: the position of a colour on the line from background to subject.

Near an edge, the colours of subject and background are known from certain pixels. A pixel between them is a mixture, so
its alpha is its position on the line through both colours (J. Wang, M. F. Cohen, Optimized Color Sampling for Robust
Matting, CVPR 2007): alpha = (I − B)·(F − B) / |F − B|². Our additions: local means replace the samples, and the line is
trusted where both colours differ by much more than each varies, where both are near, and where the network's edges are
soft. Where they are crisp, the network is the better evidence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.imaging.refine.grid import cells_of, planes_of
from tuft.imaging.refine.linear_models import ColourModels
from tuft.imaging.refine.pull_push import pull_push
from tuft.imaging.refine.softness import softness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]  # (h, w)
    Planes = NDArray[np.float32]  # (3, h, w)

# Side of a cell in pixels of the network: about the width of its edges.
_CELL: Final = 4.0
_SMALLEST_CELL: Final = 2
# The weight of a cell's colour is alpha to this power: less than half at 0.9, almost nothing at 0.5.
_SURENESS: Final = 8
# Standard deviations, in cells, of the windows for colours and for their nearness.
_COLOUR_REACH: Final = 4.0
_NEAR_REACH: Final = 4.0
# Weight below which a window takes its colour from a larger surrounding.
_LITTLE: Final = np.float32(3e-3)
# The squared difference of both colours (0..1) counts as contrast as far as it exceeds this multiple of their variance
# along the line, and this noise.
_VARIATION: Final = np.float32(16)
_NOISE: Final = np.float32(0.01)
# Fraction of a window that must be certain subject, and certain background, for full trust in the line.
_ENOUGH: Final = np.float32(0.04)


def colour_lines(rgb: NDArray[np.uint8], alpha: Plane, scale: float, *, alpha_cell: int = 1) -> ColourModels:
    """Fits the line from background to subject around every cell.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1, from the network; or its means on a grid.
        scale: Pixels of the photograph per pixel of the network.
        alpha_cell: Side of the cells of that grid in pixels, a power of two.
    """
    cell = max(_SMALLEST_CELL, alpha_cell * round(_CELL * scale / alpha_cell))
    colours: Planes = planes_of(cells_of(rgb, cell)) / 255
    share = np.clip(cells_of(alpha, cell // alpha_cell), 0, 1)
    sure = [_powered(share), _powered(1 - share)]
    F, B = (_local_mean(colours, weight) for weight in sure)
    line = F - B
    contrast = (line * line).sum(axis=0)
    spreads = sum(_local_mean((colours - mean) ** 2, weight) for mean, weight in zip((F, B), sure, strict=True))
    variation = (spreads * line * line).sum(axis=0) / (contrast + np.float32(1e-6))
    slopes = line / (contrast + np.float32(1e-4))
    trust = contrast / (contrast + _VARIATION * variation + _NOISE)
    trust *= _nearness(*sure) * softness(alpha, scale / alpha_cell, (share.shape[0], share.shape[1]))
    return ColourModels(cell, list(slopes / 255), -(B * slopes).sum(axis=0), trust)


def _powered(share: Plane) -> Plane:
    powered: Plane = share**_SURENESS + np.float32(1e-6)
    return powered


def _local_mean(planes: Planes, weight: Plane) -> Planes:
    """The weighted mean around each cell, of a larger surrounding where weight is low: float32 (3, h, w)."""
    near = np.stack([_blurred(plane * weight, _COLOUR_REACH) for plane in planes])
    mean: Planes = (near + _LITTLE * pull_push(planes, weight)) / (_blurred(weight, _COLOUR_REACH) + _LITTLE)
    return mean


def _nearness(subject: Plane, background: Plane) -> Plane:
    """Whether certain subject and certain background are both near, 0..1: there is no trust far from any edge."""
    scarcer = np.minimum(_blurred(subject, _NEAR_REACH), _blurred(background, _NEAR_REACH))
    near: Plane = np.clip(scarcer / _ENOUGH, 0, 1)
    return near


def _blurred(plane: Plane, sigma: float) -> Plane:
    blurred: Plane = cv2.GaussianBlur(plane, (0, 0), sigma)
    return blurred
