"""A cut-out, and the cut-out over something else.

Colours are mixed as stored, not in linear light: it is what viewers, browsers and editors do with straight alpha.
"""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from tuft.errors import OptionError
from tuft.imaging.pixels import strips

Colour = tuple[int, int, int]

BLUR: Final = "blur"
Background = Colour | NDArray[np.uint8] | Literal["blur"]

# A blurred background's standard deviation as a share of the long side: 16 pixels at 1024.
_BLUR_SHARE: Final = 1 / 64
# It is computed on a grid of cells, of which that standard deviation spans this many, and again at coarser scales,
# whose weights are so small that they count only where no background is near.
_SIGMA_CELLS: Final = 4.0
_SCALES: Final = ((1.0, 1.0), (4.0, 1e-3), (16.0, 1e-6))
# How far a pixel of each alpha shows the background: (1 − a)⁴, 0..255. Half the colour of a half-transparent pixel is
# the subject's, so it must count for much less than half.
_CERTAINTY: Final = np.rint(255 * (1 - np.arange(256) / 255) ** 4).astype(np.uint8)


def parse_colour(text: str) -> Colour:
    """Red, green and blue, 0..255, of a CSS name, `#rgb` or `#rrggbb`.

    Raises:
        OptionError: It is none of these.
    """
    try:
        colour = ImageColor.getrgb(text)
    except ValueError as exc:
        raise OptionError(f"There is no colour {text!r}: give a name such as white, #rgb or #rrggbb.") from exc
    if len(colour) != 3:
        raise OptionError(f"The colour {text!r} is translucent: give #rgb or #rrggbb.")
    return colour


def cutout(foreground: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with a transparent background: straight alpha, and no colour at all where alpha is 0.

    Args:
        foreground: uint8 (H, W, 3).
        alpha: uint8 (H, W).

    Returns:
        uint8 (H, W, 4), RGBA.
    """
    rgba = np.empty((*alpha.shape, 4), np.uint8)
    for rows in strips(len(alpha)):
        visible = cv2.bitwise_and(foreground[rows], foreground[rows], mask=alpha[rows])
        cv2.cvtColor(visible, cv2.COLOR_RGB2RGBA, dst=rgba[rows])
        cv2.insertChannel(alpha[rows], rgba[rows], 3)
    return rgba


def over(rgba: NDArray[np.uint8], background: Colour | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The cut-out over a colour or a picture: a·F + (1 − a)·B, rounded.

    Args:
        rgba: uint8 (H, W, 4), straight alpha.
        background: A colour, or a picture uint8 (h, w, 3) of any size, which is scaled and cropped in the middle to
            cover the cut-out.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = rgba.shape[:2]
    if isinstance(background, tuple):
        behind = np.broadcast_to(np.array(background, np.uint8), (height, width, 3))
    else:
        behind = _cover(background, (height, width))
    blended = np.empty((height, width, 3), np.uint8)
    for rows in strips(height):
        weight = rgba[rows, :, 3].astype(np.float32)
        foreground = cv2.cvtColor(rgba[rows], cv2.COLOR_RGBA2RGB)
        blended[rows] = cv2.blendLinear(foreground, np.ascontiguousarray(behind[rows]), weight, 255 - weight)
    return blended


def _cover(picture: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """`picture` scaled, its aspect ratio kept, and cropped in the middle so that it fills `size_hw`."""
    scale = max(target / source for target, source in zip(size_hw, picture.shape[:2], strict=True))
    crop_hw = [
        min(source, max(1, round(target / scale))) for target, source in zip(size_hw, picture.shape[:2], strict=True)
    ]
    top, left = ((source - crop) // 2 for source, crop in zip(picture.shape[:2], crop_hw, strict=True))
    crop = picture[top : top + crop_hw[0], left : left + crop_hw[1]]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    covering: NDArray[np.uint8] = cv2.resize(crop, (size_hw[1], size_hw[0]), interpolation=method)
    return covering


def blurred_background(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photograph's own background out of focus, without the subject bleeding into it.

    Normalised convolution (Knutsson & Westin, CVPR 1993): G∗(c·I) / G∗c with the certainty c = (1 − alpha)⁴, so
    that opaque pixels count for nothing. Where no background is near, behind the middle of a large subject, the
    colours of ever coarser scales fill in.

    Args:
        rgb: uint8 (H, W, 3), the photograph.
        alpha: uint8 (H, W).

    Returns:
        uint8 (H, W, 3).
    """
    height, width = alpha.shape
    sigma_px = max(height, width) * _BLUR_SHARE
    cell_px = max(1.0, sigma_px / _SIGMA_CELLS)
    grid_wh = (max(1, round(width / cell_px)), max(1, round(height / cell_px)))
    certainty = cv2.LUT(alpha, _CERTAINTY)
    weighted = cv2.multiply(rgb, cv2.cvtColor(certainty, cv2.COLOR_GRAY2RGB), scale=1 / 255)
    cells = np.dstack([cv2.resize(plane, grid_wh, interpolation=cv2.INTER_AREA) for plane in (weighted, certainty)])
    blurred = _blurred_at_all_scales(cells.astype(np.float32), sigma_px / cell_px)
    colours = 255 * blurred[..., :3] / np.maximum(blurred[..., 3:], np.finfo(np.float32).tiny)
    background: NDArray[np.uint8] = cv2.resize(
        np.rint(np.clip(colours, 0, 255)).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR
    )
    return background


def _blurred_at_all_scales(cells: NDArray[np.float32], sigma_cells: float) -> NDArray[np.float32]:
    blurred = np.zeros_like(cells)
    for factor, weight in _SCALES:
        blurred += weight * cv2.GaussianBlur(cells, (0, 0), factor * sigma_cells)
    return blurred
