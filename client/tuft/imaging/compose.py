"""Cut-outs, and compositing them over a colour, an image or the blurred background; what else is shown of them.

Colours are blended as stored, not in linear light, as viewers, browsers and editors blend straight alpha.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from tuft.errors import OptionError
from tuft.imaging.pixels import strips
from tuft.text import shown

Colour = tuple[int, int, int] | tuple[int, int, int, int]

BLUR: Final = "blur"
# What can be shown of a cut-out, see `Cutout.as_type`.
OutputType = Literal["cutout", "mask", "foreground", "green", "overlay"]
OUTPUT_TYPES: Final[tuple[OutputType, ...]] = get_args(OutputType)
CHROMA_GREEN: Final = (0, 177, 64)  # #00b140, the usual green screen
# The background of `overlay`: half the photograph, half red, as in the quick mask of photo editors.
_TINT: Final = (255, 0, 0)
_TINT_SHARE: Final = 0.5
Background = Colour | NDArray[np.uint8] | Literal["blur"]

# Standard deviation of the background blur as a fraction of the long side: 16 pixels at 1024.
_BLUR_SHARE: Final = 1 / 64
# The blur is computed on a grid whose cells are a quarter of that standard deviation, and again at coarser scales with
# weights so small that they only matter where no background is near.
_SIGMA_CELLS: Final = 4.0
_SCALES: Final = ((1.0, 1.0), (4.0, 1e-3), (16.0, 1e-6))
# Certainty by alpha that a pixel shows the background: (1 − a)⁴, 0..255. Half the colour of a half-transparent pixel
# belongs to the subject, so its weight must be much less than half.
_CERTAINTY: Final = np.rint(255 * (1 - np.arange(256) / 255) ** 4).astype(np.uint8)


def parse_colour(colour: str | Sequence[int]) -> Colour:
    """Parses a colour into red, green and blue, 0..255, with alpha where it is translucent.

    Args:
        colour: A CSS name; 3, 4, 6 or 8 hexadecimal digits, with or without `#`; or red, green, blue and optionally
            alpha, 0..255.

    Raises:
        OptionError: There is no such colour.
    """
    levels = _levels_of_text(colour) if isinstance(colour, str) else _levels(colour)
    if levels is None:
        given = shown(repr(colour), 60)
        raise OptionError(
            f"There is no colour {given}: give a name such as white, #rrggbb, #rrggbbaa, or 3 or 4 integers of 0..255."
        )
    return levels[:3] if levels[3:] == (255,) else levels


def _levels_of_text(text: str) -> Colour | None:
    text = text.strip()
    if re.fullmatch(r"[0-9a-fA-F]{3,8}", text):
        text = f"#{text}"
    try:
        return _levels(ImageColor.getrgb(text))
    except ValueError:
        return None


def _levels(numbers: Sequence[int]) -> Colour | None:
    """The numbers as plain integers; None if they are not 3 or 4 of 0..255. A bool is no level, nor is 1.0."""
    if not isinstance(numbers, Sequence | np.ndarray) or len(numbers) not in (3, 4):
        return None
    if not all(isinstance(number, int | np.integer) and not isinstance(number, bool) for number in numbers):
        return None
    if not all(0 <= number <= 255 for number in numbers):
        return None
    red, green, blue, *alpha = map(int, numbers)
    return (red, green, blue, *alpha)  # type: ignore[return-value]


def cutout(foreground: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image with a transparent background: straight alpha, and black where alpha is 0.

    Args:
        foreground: uint8 (H, W, 3).
        alpha: uint8 (H, W).

    Returns:
        uint8 (H, W, 4), RGBA.
    """
    rgba = np.empty((*alpha.shape, 4), np.uint8)
    for rows in strips(len(alpha)):
        seen = np.flatnonzero(np.bitwise_or.reduce(alpha[rows], axis=0))
        start, stop = (int(seen[0]), int(seen[-1]) + 1) if seen.size else (0, 0)
        rgba[rows, :start] = rgba[rows, stop:] = 0
        if seen.size:
            opacity = alpha[rows, start:stop]
            shown = cv2.cvtColor(foreground[rows, start:stop], cv2.COLOR_RGB2RGBA)
            cv2.insertChannel(opacity, shown, 3)
            np.multiply(_as_one(shown), opacity > 0, out=_as_one(rgba[rows, start:stop]))
    return rgba


def _as_one(rgba: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """A view of pixels (h, w, 4) as one number each, (h, w)."""
    return rgba.view(np.uint32)[..., 0]


def over(rgba: NDArray[np.uint8], background: Colour | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Composites the cut-out over a colour or an image: a·F + (1 − a)·B, rounded.

    Args:
        rgba: uint8 (H, W, 4), straight alpha.
        background: A colour, or an image, uint8 (h, w, 3) of any size, which is scaled and centre-cropped to cover the
            cut-out.

    Returns:
        uint8 (H, W, 3); (H, W, 4) with straight alpha over a translucent colour.
    """
    height, width = rgba.shape[:2]
    if isinstance(background, tuple) and len(background) == 4:
        return over_translucent(rgba, background[:3], background[3])
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


def over_translucent(
    rgba: NDArray[np.uint8], colour: tuple[int, int, int], opacity: int | NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Composites the cut-out over a layer of one colour: Porter and Duff's `over` with straight alpha, rounded.

    Args:
        rgba: uint8 (H, W, 4), straight alpha.
        colour: Red, green and blue of the layer.
        opacity: 0..255 of the layer, everywhere or uint8 (H, W).

    Returns:
        uint8 (H, W, 4), straight alpha; zero where alpha is zero.
    """
    layers = np.broadcast_to(np.asarray(opacity, np.uint8), rgba.shape[:2])
    result = np.empty_like(rgba)
    for rows in strips(len(rgba)):
        above = rgba[rows, :, 3].astype(np.float32)
        below = (255 - above) * layers[rows] * np.float32(1 / 255)
        foreground = cv2.cvtColor(rgba[rows], cv2.COLOR_RGBA2RGB)
        mixed = cv2.blendLinear(foreground, np.full_like(foreground, colour), above, below)  # divides by their sum
        result[rows] = cutout(mixed, cv2.add(above, below, dtype=cv2.CV_8U))
    return result


def overlay(photo: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photograph with its background tinted red, to judge a matte by: (1 − t)·I + t·red with t = (1 − a) / 2.

    Args:
        photo: uint8 (H, W, 3).
        alpha: uint8 (H, W).

    Returns:
        uint8 (H, W, 3).
    """
    tinted = np.empty_like(photo)
    for rows in strips(len(photo)):
        share = (255 - alpha[rows]).astype(np.float32) * np.float32(_TINT_SHARE)
        tinted[rows] = cv2.blendLinear(photo[rows], np.full_like(photo[rows], _TINT), 255 - share, share)
    return tinted


def hardened(rgba: NDArray[np.uint8], foreground: NDArray[np.uint8], threshold: float) -> NDArray[np.uint8]:
    """The cut-out with alpha of 0 or 255 only: opaque where alpha is above the threshold.

    Args:
        rgba: uint8 (H, W, 4).
        foreground: uint8 (H, W, 3), the subject's colours.
        threshold: 0..1.

    Returns:
        uint8 (H, W, 4), all zero where it is not opaque.
    """
    return cutout(foreground, np.where(rgba[..., 3] > 255 * threshold, np.uint8(255), np.uint8(0)))


def over_checkerboard(rgba: NDArray[np.uint8], square_px: int = 8) -> NDArray[np.uint8]:
    """Composites `rgba` (H, W, 4) over the light grey checkerboard that stands for transparency: uint8 (H, W, 3)."""
    rows, columns = (np.arange(side) // square_px for side in rgba.shape[:2])
    grey = np.where((rows[:, None] + columns) % 2, np.uint8(204), np.uint8(255))
    return over(rgba, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))


def _cover(picture: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """`picture` scaled, with its aspect ratio, and centre-cropped to `size_hw`."""
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
    """Blurs the photograph's own background without letting the subject bleed into it.

    Normalised convolution (Knutsson & Westin, CVPR 1993): G∗(c·I) / G∗c with the certainty c = (1 − alpha)⁴, so that
    opaque pixels have no weight. Where no background is near, behind the middle of a large subject, coarser scales
    fill in.

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
