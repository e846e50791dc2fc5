"""Refinement at the photograph's own resolution: edges for alpha, and colours without the old background.

What is found out about colours is found out on coarse grids; pixels are only looked at along the subject's edge, in
tiles: time and memory follow the length of the edge, not the size of the photograph.
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
# Windows of 28 pixels to each side where one pixel of the network covers two of the photograph or more, of 18 below:
# the coarser the network's alpha, the farther off is what it missed, and the less it takes to know better.
_FINE: Final = Window(cell=4, radius=4, trust_from=0.5)
_COARSE: Final = Window(cell=8, radius=3, trust_from=0.4)
_COARSE_FROM: Final = 2.0
# Averaging windows flattens edges a little; this much contrast about 0.5 restores them.
_CONTRAST: Final = np.float32(1.1)


def refine_alpha(rgb: NDArray[np.uint8], alpha: Plane, size: int) -> Plane:
    """Alpha whose edges come from the photograph: the network says where roughly, colour says where exactly.

    First, where the network is vague, alpha follows the line from the background's colour to the subject's; then a
    guided filter draws every edge. Only a band round uncertain alpha changes, and there only as far as colour
    explains alpha; what the network is sure of stays as it is.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1, the network's saliency at the photograph's size.
        size: Working size of the network in pixels, which says how coarse `alpha` is.

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
    """Moves alpha, in the band, to what the models say, and away from 0.5 by a contrast."""

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
