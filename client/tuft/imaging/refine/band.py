"""The band around uncertain alpha, in which edges are refined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.imaging.refine.grid import cells_of, enlarged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.imaging.refine.tiles import Region

# Alpha up to LOW is certain background, above HIGH certain foreground.
LOW: Final = 0.1
HIGH: Final = 0.9
# The largest distance of an edge from uncertain alpha, in pixels of the network: about its error in placing edges.
_RADIUS: Final = 2.0


@dataclass(frozen=True, eq=False)
class Band:
    """The weight with which each pixel of a photograph may change, on a grid.

    Attributes:
        cell: Side of a cell in pixels.
        weights: float32 (h, w), 0..1.
    """

    cell: int
    weights: NDArray[np.float32]

    @classmethod
    def around(cls, alpha: NDArray[np.float32], scale: float) -> Band:
        """The band of `alpha` (H, W), 0..1, where one pixel of the network covers `scale` of the photograph's."""
        cell = max(1, round(scale))
        coarse = alpha if cell == 1 else cells_of(alpha, cell)
        return cls(cell, band_weight(coarse, max(1, round(_RADIUS * scale / cell))))

    def is_empty(self) -> bool:
        """Whether no pixel may change."""
        return not self.weights.any()

    def weight(self, region: Region) -> NDArray[np.float32]:
        """The weights of the pixels of `region`: float32 (h, w), 0..1."""
        if self.cell == 1:
            return self.weights[region]
        return enlarged(self.weights, self.cell, region)


def is_certain(alpha: NDArray[np.float32]) -> bool:
    """Whether `alpha` has no band: all of it is certain background, or all of it is certain foreground."""
    return bool(alpha.max() <= LOW or alpha.min() > HIGH)


def band_weight(alpha: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """1 in the band, with a smooth transition to 0 around it, so that its border is invisible.

    The band is dilate(alpha > LOW) without erode(alpha > HIGH), with a disk: all pixels within `radius` of an uncertain
    pixel, or of an edge between certain foreground and certain background. It is blurred over (2·radius + 1)² pixels,
    so pixels farther than 2·radius from all of these have weight 0.

    Args:
        alpha: float32 (H, W), 0..1.
        radius: In pixels.

    Returns:
        float32 (H, W), 0..1.
    """
    side = 2 * radius + 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    perhaps = cv2.dilate((alpha > LOW).view(np.uint8), disk)
    surely = cv2.erode((alpha > HIGH).view(np.uint8), disk)
    weight: NDArray[np.float32] = cv2.blur((perhaps > surely).astype(np.float32), (side, side))
    return weight
