"""The softness of the network's edges: a crisp edge is confident, a soft one is a guess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.imaging.refine.grid import cells_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

# Side of a cell in pixels of the network, and standard deviation of the window in cells.
_CELL: Final = 4.0
_REACH_CELLS: Final = 4.0
# Mean of 4·a·(1 − a) in a window below which an edge is crisp, and above which it is soft. An edge over two or three of
# the network's pixels is below, unresolved hair is between.
_CRISP: Final = np.float32(0.1)
_SOFT: Final = np.float32(0.3)


def softness(alpha: Plane, scale: float, size_hw: tuple[int, int]) -> Plane:
    """0 where edges are crisp or absent, 1 where they are soft, on a grid.

    Args:
        alpha: float32 (H, W), 0..1, from the network.
        scale: Pixels of the photograph per pixel of the network.
        size_hw: Rows and columns of the resulting grid, over the whole picture.

    Returns:
        float32 of `size_hw`, 0..1.
    """
    share = np.clip(cells_of(alpha, max(1, round(_CELL * scale))), 0, 1)
    uncertain = cv2.GaussianBlur(4 * share * (1 - share), (0, 0), _REACH_CELLS)
    soft: Plane = np.clip((uncertain - _CRISP) / (_SOFT - _CRISP), 0, 1)
    return soft if soft.shape == size_hw else cv2.resize(soft, size_hw[::-1], interpolation=cv2.INTER_LINEAR)
