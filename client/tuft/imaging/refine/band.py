"""The band around uncertain alpha, in which edges are refined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from tuft.imaging.refine.blocks import Blocks, Enlarged
from tuft.imaging.refine.grid import cells_of, enlarged, whole_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuft.imaging.refine.grid import Region

# Alpha up to LOW is certain background, above HIGH certain foreground.
LOW: Final = 0.1
HIGH: Final = 0.9


class Reach(NamedTuple):
    """How far a band reaches.

    Attributes:
        low: Alpha up to it is certain background.
        high: Alpha above it is certain foreground.
        radius: The largest distance of an edge from uncertain alpha, in pixels of the network.
    """

    low: float
    high: float
    radius: float


# The radius is about the network's error in placing edges.
NARROW: Final = Reach(LOW, HIGH, 2.0)
# The matting stage knows more than colour models do, and need not be told as exactly where to look.
WIDE: Final = Reach(0.02, 0.98, 8.0)


@dataclass(frozen=True, eq=False)
class Band:
    """The weight with which each pixel of a photograph may change, on a grid.

    Attributes:
        cell: Side of a cell in pixels, a power of two.
        alpha: float32 (h, w), 0..1, the mean alpha of each cell.
        weights: float32 (h, w), 0..1.
    """

    cell: int
    alpha: NDArray[np.float32]
    weights: NDArray[np.float32]

    @classmethod
    def around(cls, alpha: NDArray[np.float32], scale: float, reach: Reach = NARROW) -> Band:
        """The band of `alpha` (H, W), 0..1, where one pixel of the network covers `scale` of the photograph's."""
        cell = whole_cell(scale)
        coarse = alpha if cell == 1 else cells_of(alpha, cell)
        return cls(cell, coarse, band_weight(coarse, max(1, round(reach.radius * scale / cell)), reach))

    def is_empty(self) -> bool:
        """Whether no pixel may change."""
        return not self.weights.any()

    def blocks(self, side: int, size_hw: tuple[int, int]) -> Blocks:
        """The blocks with pixels that may change, in a picture of `size_hw`."""
        marked = (self.weights > 0).view(np.uint8)
        if self.cell > 1:  # weights are interpolated between cells
            marked = cv2.dilate(marked, np.ones((3, 3), np.uint8))
        return Blocks.touching(marked.view(np.bool_), self.cell, side, size_hw)

    def weight(self, region: Region) -> NDArray[np.float32]:
        """The weights of the pixels of `region`: float32 (h, w), 0..1."""
        if self.cell == 1:
            return self.weights[region]
        return enlarged(self.weights, self.cell, region)

    def weight_in(self, side: int) -> Callable[[Blocks], NDArray[np.float32]]:
        """The weights of the pixels of blocks: a function that returns float32 (n, side²), 0..1."""
        if self.cell == 1:
            return lambda blocks: blocks.of(self.weights).reshape(len(blocks), -1)
        weights = Enlarged([self.weights], self.cell, side)
        return lambda blocks: weights.at(blocks)[0]


def are_certain(alpha: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of n pictures (n, h, w) have no band: all of it is certain background, or all of it certain foreground."""
    certain: NDArray[np.bool_] = (alpha.max(axis=(1, 2)) <= LOW) | (alpha.min(axis=(1, 2)) > HIGH)
    return certain


def band_weight(alpha: NDArray[np.float32], radius: int, reach: Reach = NARROW) -> NDArray[np.float32]:
    """1 in the band, with a smooth transition to 0 around it, so that its border is invisible.

    The band is dilate(alpha > low) without erode(alpha > high), with a disk: all pixels within `radius` of an uncertain
    pixel, or of an edge between certain foreground and certain background. It is blurred over (2·radius + 1)² pixels,
    so pixels farther than 2·radius from all of these have weight 0.

    Args:
        alpha: float32 (H, W), 0..1.
        radius: In pixels.
        reach: What counts as certain.

    Returns:
        float32 (H, W), 0..1.
    """
    side = 2 * radius + 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    perhaps = cv2.dilate((alpha > reach.low).view(np.uint8), disk)
    surely = cv2.erode((alpha > reach.high).view(np.uint8), disk)
    weight: NDArray[np.float32] = cv2.blur((perhaps > surely).astype(np.float32), (side, side))
    return weight
