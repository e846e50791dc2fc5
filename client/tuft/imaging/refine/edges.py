"""Alpha follows the photograph's edges: which models draw them, and how far they may move alpha."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.imaging.refine.blocks import block_side
from tuft.imaging.refine.grid import cells_of, grid_hw
from tuft.imaging.refine.guided import Window, guided_models
from tuft.imaging.refine.linear_models import moved
from tuft.imaging.refine.softness import softness

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.imaging.refine.band import Band
    from tuft.imaging.refine.blocks import Blocks
    from tuft.imaging.refine.linear_models import ColourModels

    Plane = NDArray[np.float32]

# Windows reach 28 pixels to each side if one pixel of the network covers two or more of the photograph, else 18. The
# coarser the network's alpha, the farther it misses edges, and the sooner colour is the better evidence.
_FINE: Final = Window(cell=4, radius=4, trust_from=0.5)
_COARSE: Final = Window(cell=8, radius=3, trust_from=0.4)
_COARSE_FROM: Final = 2.0
# Averaging windows flattens edges slightly; this contrast around 0.5 restores them.
CONTRAST: Final = np.float32(1.1)
_HALF: Final = np.float32(0.5)


def edge_models(
    rgb: NDArray[np.uint8], moved: Plane, alpha: Plane, scale: float, *, alpha_cell: int = 1
) -> ColourModels:
    """The guided filter's models of `moved`; trusted the sooner, the softer the edges of `alpha` are.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        moved: float32 (H, W), 0..1, the alpha to be drawn; or its means on a grid.
        alpha: float32 (H, W), 0..1, from the network; or its means on the same grid.
        scale: Pixels of the photograph per pixel of the network.
        alpha_cell: Side of the cells of that grid in pixels, as `Band.cell`.
    """
    window = _COARSE if scale >= _COARSE_FROM else _FINE
    soft = softness(alpha, scale / alpha_cell, grid_hw(rgb.shape, window.cell))
    return guided_models(rgb, moved, window, soft, alpha_cell=alpha_cell)


def move(
    alpha: Plane,
    rgb: NDArray[np.uint8],
    band: Band,
    models: ColourModels,
    contrast: np.float32 | None = None,
    *,
    coarse: Plane | None = None,
) -> None:
    """Moves alpha in the band towards the models' estimate, and increases its contrast around 0.5.

    Args:
        alpha: float32 (H, W), 0..1; changed.
        rgb: uint8 (H, W, 3), the photograph.
        band: What may change.
        models: Give the estimate.
        contrast: 1 by default.
        coarse: float32 (h, w), the means of alpha in the band's cells; changed, too. It may be `alpha` itself.
    """
    side = block_side(models.cell)
    models_at, weight_at = models.in_blocks(side), band.weight_in(side)
    for blocks in band.blocks(side, (alpha.shape[0], alpha.shape[1])).batches():
        before = blocks.of(alpha).reshape(len(blocks), -1)
        change = moved(before, blocks.of(rgb), models_at.at(blocks))
        if contrast is not None:
            change -= _HALF
            change *= contrast
            change += _HALF
            np.clip(change, 0, 1, out=change)
        change -= before
        change *= weight_at(blocks)
        change += before
        blocks.put(alpha, change.reshape(-1, side, side))
        if coarse is not None and coarse is not alpha:
            _put_means(change.reshape(-1, side), blocks, coarse, band.cell)


def _put_means(alpha: Plane, blocks: Blocks, coarse: Plane, cell: int) -> None:
    """Writes the means of `alpha`, the blocks one below the other, into the grid."""
    across = blocks.side // cell
    blocks.of_cells(coarse, cell).put(coarse, cells_of(alpha, cell).reshape(-1, across, across))
