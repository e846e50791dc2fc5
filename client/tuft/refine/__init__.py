"""Refinement at the photograph's own resolution: edges for alpha, and colours without the old background.

Both work in tiles, and only in those that hold some of the subject's edge: time and memory follow the length of the
edge, not the size of the photograph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.refine.band import band_weight, is_certain
from tuft.refine.foreground import estimate_foreground
from tuft.refine.guided import Window, guided_alpha
from tuft.refine.tiles import Tile, for_each, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

__all__ = ["estimate_foreground", "refine_alpha"]

_TILE: Final = 256
# Windows of 28 pixels to each side where one pixel of the network covers two of the photograph or more, of 18 below:
# the coarser the network's alpha, the farther off is what it missed, and the less it takes to know better.
_FINE: Final = Window(cell=4, radius=4, trust_from=0.5)
_COARSE: Final = Window(cell=8, radius=3, trust_from=0.4)
_COARSE_FROM: Final = 2.0
# Averaging windows flattens edges a little; this much contrast about 0.5 restores them.
_CONTRAST: Final = 1.1


def refine_alpha(rgb: NDArray[np.uint8], alpha: Plane, size: int) -> Plane:
    """Alpha whose edges come from the photograph: the network says where roughly, colour says where exactly.

    Only a band round uncertain alpha changes, and there only as far as colour explains alpha; what the network is
    sure of stays as it is.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1, the network's saliency at the photograph's size.
        size: Working size of the network in pixels, which says how coarse `alpha` is.

    Returns:
        float32 (H, W), 0..1.
    """
    scale = max(alpha.shape) / size
    window = _COARSE if scale >= _COARSE_FROM else _FINE
    band_radius = max(1, round(scale))
    halo = window.reach + -(-2 * band_radius // window.cell) * window.cell
    refined = alpha.copy()

    def refine(tile: Tile) -> None:
        around = alpha[tile.outer]
        if not is_certain(around):
            estimate, trust = guided_alpha(rgb[tile.outer], around, window, tile.within)
            weight = band_weight(around, band_radius)[tile.within]
            refined[tile.inner] = _blended(alpha[tile.inner], estimate, trust, weight)

    for_each(refine, tiles((alpha.shape[0], alpha.shape[1]), _TILE, halo))
    return refined


def _blended(alpha: Plane, estimate: Plane, trust: Plane, weight: Plane) -> Plane:
    sharp = np.clip(
        (alpha + trust * (estimate - alpha) - np.float32(0.5)) * np.float32(_CONTRAST) + np.float32(0.5), 0, 1
    )
    return alpha + weight * (sharp - alpha)
