"""Classical refinement: alpha follows the photograph's colours.

First the line from the background's colour to the subject's, then a guided filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft.imaging.refine.band import Band
from tuft.imaging.refine.colour_line import colour_lines
from tuft.imaging.refine.edges import CONTRAST, edge_models, move

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]


def refine_alpha(rgb: NDArray[np.uint8], alpha: Plane, size: int, *, overwrite: bool = False) -> Plane:
    """Refines alpha with the photograph: the network gives the rough position of edges, colour the exact one.

    First, where the network's edges are soft, alpha follows the line from the background's colour to the subject's.
    Then a guided filter sharpens every edge. Only a band around uncertain alpha changes, and only as far as colour
    explains alpha.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1, the network's saliency at the photograph's size.
        size: Working size of the network in pixels; it determines how coarse `alpha` is.
        overwrite: Whether `alpha` may be changed, which saves its copy.

    Returns:
        float32 (H, W), 0..1.
    """
    scale = max(alpha.shape) / size
    band = Band.around(alpha, scale)
    cell = band.cell
    refined = alpha if overwrite and cell > 1 else alpha.copy()  # cells of one pixel are the band's own alpha
    if band.is_empty():
        return refined
    coarse = refined if cell == 1 else band.alpha.copy()
    move(refined, rgb, band, colour_lines(rgb, coarse, scale, alpha_cell=cell), coarse=coarse)
    move(refined, rgb, band, edge_models(rgb, coarse, band.alpha, scale, alpha_cell=cell), CONTRAST)
    return refined
