"""A guided filter that follows the photograph's edges and trusts each window by its goodness of fit.

In a small window alpha is nearly a linear function of colour, alpha = a·I + b. The guided filter fits a and b in every
window and averages the windows that cover a pixel.

Sources: K. He, J. Sun, X. Tang, Guided Image Filtering, TPAMI 2013, eq. 19 to 21 for colour guides; K. He, J. Sun,
Fast Guided Filter, arXiv:1505.00996, for the coefficients on a coarse grid; windows weighted by their residual as in
C. N. Ochotorena, Y. Yamashita, Anisotropic Guided Filtering, TIP 2020. Our addition: the share of variance that a
window explains determines how much of the network's alpha it may replace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.imaging.refine.band import are_certain
from tuft.imaging.refine.blocks import Blocks
from tuft.imaging.refine.grid import cells_of
from tuft.imaging.refine.linear_models import ColourModels
from tuft.imaging.refine.surroundings import Surroundings, box_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]  # (n, s, s)
    Planes = NDArray[np.float32]  # (p, n, s, s)

# Variance of colour (image in 0..1) below which a window counts as flat: noise of 0.8 grey levels.
EPSILON: Final = 1e-5
# Unexplained variance of alpha at which a window weighs half as much as one that fits exactly.
_RESIDUAL: Final = 1e-2
# Variance of alpha below which the fit is meaningless.
_NEGLIGIBLE: Final = 1e-4
# Trust rises from 0 to 1 over this range of the share of alpha's variance that colour explains.
_TRUST_RANGE: Final = 0.5
# Side of the blocks that are computed, in cells.
_SIDE: Final = 32
# The entries of a symmetric 3 × 3 matrix.
_PAIRS: Final = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@dataclass(frozen=True)
class Window:
    """The window of a model, (2·radius + 1)² cells of cell² pixels, and the fit that it needs to be trusted.

    Attributes:
        cell: Side of a cell in pixels.
        radius: In cells.
        trust_from: Share of alpha's variance, 0..0.5, above which the model is trusted at all.
    """

    cell: int
    radius: int
    trust_from: float


def guided_models(
    rgb: NDArray[np.uint8], alpha: Plane, window: Window, soft: Plane | None = None, *, alpha_cell: int = 1
) -> ColourModels:
    """Fits a linear model of alpha by colour around every cell, with a trust.

    Args:
        rgb: uint8 (H, W, 3), the guide.
        alpha: float32 (H, W), 0..1, approximate; or its means on a grid.
        window: The size of the windows, and the fit that they need.
        soft: float32 (h, w), 0..1, the softness of the network's edges by cell: where it is high, a model needs to
            explain less to be trusted. 0 by default.
        alpha_cell: Side of the cells of that grid in pixels, a divisor of the window's.
    """
    guide, share = cells_of(rgb, window.cell), cells_of(alpha, window.cell // alpha_cell)
    margin = 2 * window.radius  # each model depends on two windows: its own, and that of the average
    around = Surroundings([*cv2.split(guide), share], _SIDE, margin, "symmetric")
    fitted = np.zeros((5, *share.shape), np.float32)

    every = Blocks.touching(np.ones(share.shape, np.bool_), 1, _SIDE, (share.shape[0], share.shape[1]))
    for blocks in every.batches(margin):
        gathered = around.of(blocks)
        uncertain = ~are_certain(gathered[3])
        if uncertain.any():
            colours = gathered[:3, uncertain] * np.float32(1 / 255)
            models = _averaged_models(colours, gathered[3, uncertain], window.radius)
            chosen = blocks.chosen(uncertain)
            for plane, model in zip(fitted, models, strict=True):
                chosen.put(plane, model[:, margin:-margin, margin:-margin])
    *slopes, offset, explained = fitted
    needed = window.trust_from if soft is None else np.float32(window.trust_from) * (1 - soft)
    trust = np.clip((explained - needed) / _TRUST_RANGE, 0, 1)
    return ColourModels(window.cell, [slope / np.float32(255) for slope in slopes], offset, trust)


def _averaged_models(guide: Planes, alpha: Plane, radius: int) -> Planes:
    """For each cell the weighted means of a (three channels) and b, and the share explained: float32 (5, n, s, s).

    They are right at a distance of two radii from the edges.
    """
    products = [guide[first] * guide[second] for first, second in _PAIRS]
    means = box_means(np.stack([*guide, *products, *(guide * alpha), alpha, alpha * alpha]), radius)
    mean_guide, of_products, covariance = means[:3], means[3:9], means[9:12]
    mean_alpha, of_squares = means[12:]
    for product, (first, second) in zip(of_products, _PAIRS, strict=True):
        product -= mean_guide[first] * mean_guide[second]
    of_products[[0, 3, 5]] += np.float32(EPSILON)
    covariance -= mean_guide * mean_alpha
    slope = _solve(of_products, covariance)
    offset = mean_alpha - (slope * mean_guide).sum(axis=0)
    variance = np.maximum(of_squares - mean_alpha * mean_alpha, 0)
    explained = (slope * covariance).sum(axis=0)
    weight = 1 / (np.maximum(variance - explained, 0) + np.float32(_RESIDUAL))
    share = np.clip(explained / (variance + np.float32(_NEGLIGIBLE)), 0, 1)
    averaged = box_means(np.stack([*(slope * weight), offset * weight, share, weight]), radius)
    averaged[:4] /= np.maximum(averaged[5], np.float32(1))  # it is larger, except at the edges
    return averaged[:5]


def _solve(symmetric: Planes, right: Planes) -> Planes:
    """Solves A·x = y for 3 × 3 matrices A, whose rr, rg, rb, gg, gb, bb are planes, by their L·D·Lᵀ decomposition.

    It is exact enough in single precision where A is nearly singular; a determinant is not.
    """
    rr, rg, rb, gg, gb, bb = symmetric
    y0, y1, y2 = right
    l10, l20 = rg / rr, rb / rr
    d1 = gg - l10 * rg
    l21 = (gb - l10 * rb) / d1
    d2 = bb - l20 * rb - l21 * l21 * d1
    z1 = y1 - l10 * y0
    x2 = (y2 - l20 * y0 - l21 * z1) / d2
    x1 = z1 / d1 - l21 * x2
    return np.stack([y0 / rr - l10 * x1 - l20 * x2, x1, x2])
