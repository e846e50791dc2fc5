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

from tuft.imaging.refine.band import is_certain
from tuft.imaging.refine.grid import cells_of
from tuft.imaging.refine.linear_models import ColourModels
from tuft.imaging.refine.tiles import Tile, for_each, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

# Variance of colour (image in 0..1) below which a window counts as flat: noise of 0.8 grey levels.
EPSILON: Final = 1e-5
# Unexplained variance of alpha at which a window weighs half as much as one that fits exactly.
_RESIDUAL: Final = 1e-2
# Variance of alpha below which the fit is meaningless.
_NEGLIGIBLE: Final = 1e-4
# Trust rises from 0 to 1 over this range of the share of alpha's variance that colour explains.
_TRUST_RANGE: Final = 0.5
_TILE: Final = 64  # in cells


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


def guided_models(rgb: NDArray[np.uint8], alpha: Plane, window: Window, soft: Plane | None = None) -> ColourModels:
    """Fits a linear model of alpha by colour around every cell, with a trust.

    Args:
        rgb: uint8 (H, W, 3), the guide.
        alpha: float32 (H, W), 0..1, approximate.
        window: The size of the windows, and the fit that they need.
        soft: float32 (h, w), 0..1, the softness of the network's edges by cell: where it is high, a model needs to
            explain less to be trusted. 0 by default.
    """
    guide, share = cells_of(rgb, window.cell), cells_of(alpha, window.cell)
    fitted = np.zeros((5, *share.shape), np.float32)

    def fit(tile: Tile) -> None:
        around = share[tile.outer]
        if not is_certain(around):
            models = _averaged_models(guide[tile.outer].astype(np.float32) / 255, around, window.radius)
            fitted[(slice(None), *tile.inner)] = [model[tile.within] for model in models]

    # Each model depends on two windows: its own, and that of the average.
    for_each(fit, tiles((share.shape[0], share.shape[1]), _TILE, 2 * window.radius))
    *slopes, offset, explained = fitted
    needed = window.trust_from if soft is None else np.float32(window.trust_from) * (1 - soft)
    trust = np.clip((explained - needed) / _TRUST_RANGE, 0, 1)
    return ColourModels(window.cell, [slope / np.float32(255) for slope in slopes], offset, trust)


def _averaged_models(guide: Plane, alpha: Plane, radius: int) -> list[Plane]:
    """For each cell the weighted means of a (three channels) and b, and the share explained: each float32 (h, w)."""
    mean_guide, mean_alpha = _box(guide, radius), _box(alpha, radius)
    covariance = _box(guide * alpha[..., None], radius) - mean_guide * mean_alpha[..., None]
    slope = _solve(_covariance_of_colour(guide, mean_guide, radius), covariance)
    offset = mean_alpha - np.einsum("hwc,hwc->hw", slope, mean_guide)
    variance = np.maximum(_box(alpha * alpha, radius) - mean_alpha * mean_alpha, 0)
    explained = np.einsum("hwc,hwc->hw", slope, covariance)
    weight = 1 / (np.maximum(variance - explained, 0) + np.float32(_RESIDUAL))
    total = _box(weight, radius)
    models = [_box(model * weight, radius) / total for model in (*cv2.split(slope), offset)]
    share = _box(np.clip(explained / (variance + np.float32(_NEGLIGIBLE)), 0, 1), radius)
    return [*models, share]


def _box(plane: Plane, radius: int) -> Plane:
    side = 2 * radius + 1
    mean: Plane = cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)
    return mean


def _covariance_of_colour(guide: Plane, mean: Plane, radius: int) -> Plane:
    """rr, rg, rb, gg, gb, bb of each window, with EPSILON on the diagonal: float32 (h, w, 6)."""
    first, second = (0, 0, 0, 1, 1, 2), (0, 1, 2, 1, 2, 2)
    products = guide[..., first] * guide[..., second]
    ridge = np.array([EPSILON, 0, 0, EPSILON, 0, EPSILON], np.float32)
    covariance: Plane = (
        np.dstack([_box(products[..., :3], radius), _box(products[..., 3:], radius)])
        - mean[..., first] * mean[..., second]
        + ridge
    )
    return covariance


def _solve(symmetric: Plane, right: Plane) -> Plane:
    """Solves A·x = y for 3 × 3 matrices A in the form of `_covariance_of_colour`, by adjugate and determinant."""
    rr, rg, rb, gg, gb, bb = (symmetric[..., i].astype(np.float64) for i in range(6))
    y0, y1, y2 = (right[..., i] for i in range(3))
    c00, c01, c02 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    c11, c12, c22 = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * c00 + rg * c01 + rb * c02
    solution = np.dstack(
        [c00 * y0 + c01 * y1 + c02 * y2, c01 * y0 + c11 * y1 + c12 * y2, c02 * y0 + c12 * y1 + c22 * y2]
    )
    solved: Plane = (solution / determinant[..., None]).astype(np.float32)
    return solved
