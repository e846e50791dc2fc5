"""Alpha as a linear function of colour, alpha = a·I + b, around every cell of a grid.

In a small window the colours of subject and of background each lie on a line, so alpha is linear in colour (the colour
line model: A. Levin, D. Lischinski, Y. Weiss, A Closed-Form Solution to Natural Image Matting, TPAMI 2008).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft.imaging.refine.grid import enlarged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tuft.imaging.refine.tiles import Region

    Plane = NDArray[np.float32]


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

    def moved(self, alpha: Plane, rgb: NDArray[np.uint8], region: Region) -> Plane:
        """Moves alpha towards the models' estimate, by their trust.

        Args:
            alpha: float32 (H, W), 0..1, of the whole picture.
            rgb: uint8 (H, W, 3), the whole picture.
            region: The rows and columns to compute.

        Returns:
            float32 (h, w), 0..1.
        """
        estimate = enlarged(self.offset, self.cell, region)
        for slope, channel in zip(self.slopes, cv2.split(rgb[region]), strict=True):
            estimate += enlarged(slope, self.cell, region) * channel
        np.clip(estimate, 0, 1, out=estimate)
        estimate -= alpha[region]
        estimate *= enlarged(self.trust, self.cell, region)
        estimate += alpha[region]
        return estimate
