"""Alpha as a linear function of colour, alpha = a·I + b, around every cell of a grid.

In a small window the colours of subject and of background each lie on a line, so alpha is linear in colour (the colour
line model: A. Levin, D. Lischinski, Y. Weiss, A Closed-Form Solution to Natural Image Matting, TPAMI 2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft.imaging.refine.blocks import Enlarged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Plane = NDArray[np.float32]
    Planes = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ColourModels:
    """One model per cell.

    Attributes:
        cell: Side of a cell in pixels.
        slopes: Three planes, float32 (h, w): a, for red, green and blue in 0..255.
        offset: float32 (h, w): b.
        trust: float32 (h, w), 0..1, the weight of the estimate.
    """

    cell: int
    slopes: Sequence[Plane]
    offset: Plane
    trust: Plane

    def in_blocks(self, side: int) -> Enlarged:
        """Slopes, offset and trust at the pixels of blocks of this side: five planes."""
        return Enlarged([*self.slopes, self.offset, self.trust], self.cell, side)


def moved(alpha: Plane, rgb: NDArray[np.uint8], models: Planes) -> Plane:
    """Moves alpha towards the models' estimate, by their trust.

    Args:
        alpha: float32 (n, pixels), 0..1.
        rgb: uint8 (n, side, side, 3) of the same pixels.
        models: float32 (5, n, pixels), `ColourModels.in_blocks` at these; overwritten.

    Returns:
        float32 (n, pixels), 0..1.
    """
    estimate: Plane = models[3]
    slopes, trust = models[:3], models[4]
    for slope, channel in zip(slopes, cv2.split(rgb.reshape(1, -1, 3)), strict=True):
        slope *= channel.reshape(slope.shape)
        estimate += slope
    np.clip(estimate, 0, 1, out=estimate)
    estimate -= alpha
    estimate *= trust
    estimate += alpha
    return estimate
