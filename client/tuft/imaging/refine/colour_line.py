"""Alpha where the network is vague: how far a colour lies on the way from the background's to the subject's.

Around an edge the subject's and the background's colours are known from what is surely one or the other; a pixel
between them is their mixture, so its alpha is its place on the line through both (J. Wang, M. F. Cohen, Optimized
Color Sampling for Robust Matting, CVPR 2007): alpha = (I − B)·(F − B) / |F − B|². That local means stand for the
samples, and when the line is believed, is ours: where both colours differ by much more than each varies, where both
are near, and where the network itself is vague. Where its edge is crisp it knows better.
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

# Side of a cell in pixels of the network, which draws edges about so softly.
_CELL: Final = 4.0
_SMALLEST_CELL: Final = 2
# A cell lends its colour by alpha to this power: at 0.9 it counts for less than half, at 0.5 for nothing.
_SURENESS: Final = 8
# Standard deviations, in cells, of the windows for colours and for whether any are near.
_COLOUR_REACH: Final = 4.0
_NEAR_REACH: Final = 4.0
# Weight below which a window takes its colour from farther away.
_LITTLE: Final = np.float32(3e-3)
# The squared difference of both colours (0..1) counts as contrast as far as it exceeds so many times their variance
# along the line, and this much noise.
_VARIATION: Final = np.float32(16)
_NOISE: Final = np.float32(0.01)
# Share of a window that must be surely subject, and surely background, for the line to be believed.
_ENOUGH: Final = np.float32(0.04)


def colour_lines(rgb: NDArray[np.uint8], alpha: Plane, scale: float) -> ColourModels:
    """The lines from background to subject around every cell.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1, the network's.
        scale: Pixels of the photograph per pixel of the network.
    """
    cell = max(_SMALLEST_CELL, round(_CELL * scale))
    colours: Planes = planes_of(cells_of(rgb, cell)) / 255
    share = np.clip(cells_of(alpha, cell), 0, 1)
    sure = [_powered(share), _powered(1 - share)]
    F, B = (_local_mean(colours, weight) for weight in sure)
    line = F - B
    contrast = (line * line).sum(axis=0)
    spreads = sum(_local_mean((colours - mean) ** 2, weight) for mean, weight in zip((F, B), sure, strict=True))
    variation = (spreads * line * line).sum(axis=0) / (contrast + np.float32(1e-6))
    slopes = line / (contrast + np.float32(1e-4))
    trust = contrast / (contrast + _VARIATION * variation + _NOISE)
    trust *= _nearness(*sure) * softness(alpha, scale, (share.shape[0], share.shape[1]))
    return ColourModels(cell, list(slopes / 255), -(B * slopes).sum(axis=0), trust)


def _powered(share: Plane) -> Plane:
    powered: Plane = share**_SURENESS + np.float32(1e-6)
    return powered


def _local_mean(planes: Planes, weight: Plane) -> Planes:
    """The weighted mean around each cell, from farther away where there is little weight: float32 (3, h, w)."""
    near = np.stack([_blurred(plane * weight, _COLOUR_REACH) for plane in planes])
    mean: Planes = (near + _LITTLE * pull_push(planes, weight)) / (_blurred(weight, _COLOUR_REACH) + _LITTLE)
    return mean


def _nearness(subject: Plane, background: Plane) -> Plane:
    """Whether sure subject and sure background are both near, 0..1: nothing is invented far from any edge."""
    scarcer = np.minimum(_blurred(subject, _NEAR_REACH), _blurred(background, _NEAR_REACH))
    near: Plane = np.clip(scarcer / _ENOUGH, 0, 1)
    return near


def _blurred(plane: Plane, sigma: float) -> Plane:
    blurred: Plane = cv2.GaussianBlur(plane, (0, 0), sigma)
    return blurred
