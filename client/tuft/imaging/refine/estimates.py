"""What classical refinement knows of a photograph's edges, as planes for the matting stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft.imaging.pixels import strips
from tuft.imaging.refine.band import Band
from tuft.imaging.refine.colour_line import colour_lines
from tuft.imaging.refine.edges import CONTRAST, edge_models, move
from tuft.imaging.refine.grid import enlarged
from tuft.imaging.refine.palette import Palette

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.imaging.refine.grid import Region
    from tuft.imaging.refine.linear_models import ColourModels

    Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Estimates:
    """Alpha by two colour models in turn, and how far each is trusted.

    Attributes:
        rgb: uint8 (H, W, 3), the photograph.
        coarse: float32 (H, W), 0..1, from the network.
        band: Where alpha may change.
        lines: The line from background to subject around every cell.
        by_line: uint8 (H, W), alpha moved along these lines.
        guided: The guided filter's models.
        refined: float32 (H, W), 0..1, `by_line` after the guided filter.
        palette: How likely each colour is the subject's, over the whole picture.
    """

    rgb: NDArray[np.uint8]
    coarse: Plane
    band: Band
    lines: ColourModels
    by_line: NDArray[np.uint8]
    guided: ColourModels
    refined: Plane
    palette: Palette

    def planes(self, region: Region) -> NDArray[np.uint8]:
        """The stage's input in `region`: uint8 (h, w, 9), in the order of `tuft.contract.MATTING_PLANES`."""
        weight = self.band.weight(region)
        seen = self.rgb[region]
        trusts = [enlarged(models.trust, models.cell, region) * weight for models in (self.lines, self.guided)]
        alphas = (_bytes(self.coarse[region]), self.by_line[region], _bytes(self.refined[region]))
        return np.dstack([seen, *alphas, *map(_bytes, trusts), self.palette.likelihood(seen)])


def _bytes(plane: Plane) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = cv2.convertScaleAbs(np.clip(plane, 0, 1), alpha=255)
    return levels


def estimates(rgb: NDArray[np.uint8], alpha: Plane, size: int) -> Estimates | None:
    """The classical estimates for a photograph; None if no pixel of it may change.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1, the network's saliency at the photograph's size.
        size: Working size of the network in pixels; it determines how coarse `alpha` is.
    """
    scale = max(alpha.shape) / size
    band = Band.around(alpha, scale)
    if band.is_empty():
        return None
    refined, cell = alpha.copy(), band.cell
    grid = refined if cell == 1 else band.alpha.copy()
    lines = colour_lines(rgb, grid, scale, alpha_cell=cell)
    move(refined, rgb, band, lines, coarse=grid)
    by_line = np.vstack([_bytes(refined[rows]) for rows in strips(len(refined))])
    guided = edge_models(rgb, grid, band.alpha, scale, alpha_cell=cell)
    move(refined, rgb, band, guided, CONTRAST)
    return Estimates(rgb, alpha, band, lines, by_line, guided, refined, Palette.of(rgb, alpha))
