"""Foreground estimation: the subject's own colours along its edges, without those of the old background.

A pixel of the band is I = a·F + (1 − a)·B, where I and a are known. Certain foreground and background colours are
extrapolated into the band (pull-push: S. J. Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4.1). Then F and B
are alternately corrected by the least change that satisfies the equation, and smoothed with alpha as the weight (as in
M. Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021, "blur fusion"). Colours vary slowly next to edges,
so this is computed on a coarse grid near the band; only the last correction is per pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.imaging.refine.grid import cells_of, enlarged, planes_of
from tuft.imaging.refine.pull_push import pull_push
from tuft.imaging.refine.tiles import Region, Tile, for_each, tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Plane = NDArray[np.float32]  # (h, w)
    Planes = NDArray[np.float32]  # (3, h, w)

# The grid's long side has about this many cells, each of at least 2 × 2 pixels.
_GRID_SIDE: Final = 768
_SMALLEST_CELL: Final = 2
# The weight of a pixel's colour is alpha to this power, a twelfth at 0.9, plus a trifle of alpha itself, which matters
# only where no pixel is opaque.
_SURENESS: Final = 24
_TRIFLE: Final = 1e-4
# Dividing by a smaller alpha would amplify noise more than it recovers foreground.
_DIVISIBLE: Final = 0.5
# Rounds of correction and smoothing, and the radius of the smoothing in cells.
_ROUNDS: Final = 4
_REACH: Final = 2
# Tiles of the grid in cells; the halo covers the reach of all rounds and one cell for the interpolation.
_TILE: Final = 48
_HALO: Final = _ROUNDS * _REACH + 1
# Alpha that rounds to 0 or to 255: these pixels are not changed.
_CLEAR: Final = 0.5 / 255
_OPAQUE: Final = 254.5 / 255


def estimate_foreground(rgb: NDArray[np.uint8], alpha: Plane) -> NDArray[np.uint8]:
    """Estimates the foreground colours of a cut-out.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: float32 (H, W), 0..1.

    Returns:
        uint8 (H, W, 3): estimated where alpha is between clear and opaque, equal to the photograph elsewhere.
    """
    foreground = rgb.copy()
    soft = cv2.inRange(alpha, _CLEAR, _OPAQUE)
    if not soft.any():
        return foreground
    cell = max(_SMALLEST_CELL, round(max(alpha.shape) / _GRID_SIDE))
    image, share = planes_of(cells_of(rgb, cell)), cells_of(alpha, cell)
    B = _extrapolated(image, 1 - share)
    F = _extrapolated(_unmixed(image, B, share), share)

    def estimate(tile: Tile) -> None:
        region = _soft_part(soft, _scaled(tile.inner, cell, alpha.shape))
        if region is not None:
            around = (slice(None), *tile.outer)
            layers = _smooth_layers(F[around], B[around], share[tile.outer], image[around])
            within = _moved(region, cell, tile.outer)
            near_F, near_B = ([enlarged(plane, cell, within) for plane in planes] for planes in layers)
            exact = _exact(near_F, near_B, alpha[region], rgb[region])
            cv2.copyTo(exact, soft[region], foreground[region])

    for_each(estimate, tiles((share.shape[0], share.shape[1]), _TILE, _HALO))
    return foreground


def _scaled(cells: Region, cell: int, limits: tuple[int, ...]) -> Region:
    """The pixels of `cells`, cropped to the picture."""
    rows, columns = (
        slice(span.start * cell, min(span.stop * cell, limit)) for span, limit in zip(cells, limits, strict=True)
    )
    return rows, columns


def _soft_part(soft: NDArray[np.uint8], region: Region) -> Region | None:
    """The bounding box of the soft pixels in `region`, or None if there are none."""
    left, top, width, height = cv2.boundingRect(soft[region])
    if width == 0:
        return None
    top, left = top + region[0].start, left + region[1].start
    return slice(top, top + height), slice(left, left + width)


def _moved(pixels: Region, cell: int, origin: Region) -> Region:
    """`pixels` relative to the first pixel of the cells `origin`."""
    rows, columns = (
        slice(span.start - first.start * cell, span.stop - first.start * cell)
        for span, first in zip(pixels, origin, strict=True)
    )
    return rows, columns


def _smooth_layers(F: Planes, B: Planes, alpha: Plane, image: Planes) -> tuple[Planes, Planes]:
    """Corrects and smooths F and B on the grid alternately."""
    for _ in range(_ROUNDS):
        F, B = _corrected(F, B, alpha, image)
        F, B = _smoothed(F, alpha), _smoothed(B, 1 - alpha)
    return F, B


def _corrected(F: Planes, B: Planes, alpha: Plane, image: Planes) -> tuple[Planes, Planes]:
    """The closest F and B with a·F + (1 − a)·B = I, clipped to 0..255."""
    share = 1 - alpha
    rest = image - alpha * F
    rest -= share * B
    rest /= alpha * alpha + share * share
    return np.clip(F + alpha * rest, 0, 255), np.clip(B + share * rest, 0, 255)


def _exact(F: Sequence[Plane], B: Sequence[Plane], alpha: Plane, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The F of `_corrected`, computed per channel and rounded: uint8 (h, w, 3)."""
    gain = alpha / (alpha * alpha + (1 - alpha) ** 2)
    channels = []
    for front, behind, seen in zip(F, B, cv2.split(rgb), strict=True):
        rest = alpha * (behind - front)
        rest += seen
        rest -= behind
        rest *= gain
        channels.append(cv2.add(front, rest, dtype=cv2.CV_8U))
    corrected: NDArray[np.uint8] = cv2.merge(channels)
    return corrected


def _smoothed(planes: Planes, weight: Plane) -> Planes:
    """The weighted mean over (2·_REACH + 1)² cells; the plain mean where all weights are zero."""
    side = (2 * _REACH + 1, 2 * _REACH + 1)
    weight = weight + np.float32(1e-3)
    mean: Planes = np.stack([cv2.blur(plane * weight, side) for plane in planes]) / cv2.blur(weight, side)
    return mean


def _extrapolated(image: Planes, share: Plane) -> Planes:
    """Extrapolates the colours of certain pixels to all others."""
    weight = share**_SURENESS + np.float32(_TRIFLE) * share
    return pull_push(image, weight)


def _unmixed(image: Planes, B: Planes, alpha: Plane) -> Planes:
    """F from the equation for this B, since subjects that are translucent everywhere have no certain colours."""
    F = image - (1 - alpha) * B
    F /= np.maximum(alpha, np.float32(_DIVISIBLE))
    return np.clip(F, 0, 255)
