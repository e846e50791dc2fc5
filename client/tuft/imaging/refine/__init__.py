"""Refinement at the photograph's resolution: alpha follows the photograph's edges, and colours lose the old background.

Colour models are computed on coarse grids; single pixels are processed only along the subject's edge, in tiles. Time
and memory therefore grow with the length of the edge, not with the size of the photograph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.imaging.refine.band import Band
from tuft.imaging.refine.colour_line import colour_lines
from tuft.imaging.refine.foreground import estimate_foreground
from tuft.imaging.refine.grid import grid_hw
from tuft.imaging.refine.guided import Window, guided_models
from tuft.imaging.refine.softness import softness
from tuft.imaging.refine.tiles import Tile, for_each, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.imaging.refine.linear_models import ColourModels

    Plane = NDArray[np.float32]

__all__ = ["estimate_foreground", "refine_alpha"]

_TILE: Final = 256
# Windows reach 28 pixels to each side if one pixel of the network covers two or more of the photograph, else 18. The
# coarser the network's alpha, the farther it misses edges, and the sooner colour is the better evidence.
_FINE: Final = Window(cell=4, radius=4, trust_from=0.5)
_COARSE: Final = Window(cell=8, radius=3, trust_from=0.4)
_COARSE_FROM: Final = 2.0
# Averaging windows flattens edges slightly; this contrast around 0.5 restores them.
_CONTRAST: Final = np.float32(1.1)


def refine_alpha(rgb: NDArray[np.uint8], alpha: Plane, size: int) -> Plane:
    """Refines alpha with the photograph: the network gives the rough position of edges, colour the exact one.

    First, where the network's edges are soft, alpha follows the line from the background's colour to the subject's.
    Then a guided filter sharpens every edge. Only a band around uncertain alpha changes, and only as far as colour
    explains alpha.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1, the network's saliency at the photograph's size.
        size: Working size of the network in pixels; it determines how coarse `alpha` is.

    Returns:
        float32 (H, W), 0..1.
    """
    scale = max(alpha.shape) / size
    band = Band.around(alpha, scale)
    refined = alpha.copy()
    if band.is_empty():
        return refined
    _move(refined, rgb, band, colour_lines(rgb, refined, scale))
    window = _COARSE if scale >= _COARSE_FROM else _FINE
    soft = softness(alpha, scale, grid_hw(alpha.shape, window.cell))
    _move(refined, rgb, band, guided_models(rgb, refined, window, soft), _CONTRAST)
    return refined


def _move(
    alpha: Plane, rgb: NDArray[np.uint8], band: Band, models: ColourModels, contrast: np.float32 | None = None
) -> None:
    """Moves alpha in the band towards the models' estimate, and increases its contrast around 0.5."""

    def move(tile: Tile) -> None:
        weight = band.weight(tile.inner)
        if weight.any():
            moved = models.moved(alpha, rgb, tile.inner)
            if contrast is not None:
                np.clip((moved - np.float32(0.5)) * contrast + np.float32(0.5), 0, 1, out=moved)
            moved -= alpha[tile.inner]
            moved *= weight
            alpha[tile.inner] += moved

    for_each(move, tiles((alpha.shape[0], alpha.shape[1]), _TILE))
