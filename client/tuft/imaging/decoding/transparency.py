"""The transparency that a file declares, and what the network sees behind it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from tuft.imaging.pixels import strips, uint8_from

if TYPE_CHECKING:
    Pixels = NDArray[np.uint8]

# Grey levels of a PNG with few bits are spread over 0..255, its transparent one is not.
_SPREAD: Final = {"L;2": 85, "L;4": 17}
# A pixel nearer than this to the backdrop in all channels can hardly be told from it.
_NEAR: Final = 48
# White is what people expect behind a cut-out, and what most networks have seen.
_BACKDROPS: Final = (255, 0, 128)
# White is replaced only if this share of the visible pixels is near it.
_TOO_MUCH: Final = 0.1


def deep_key(image: Image.Image) -> Image.Image | None:
    """Where a PNG of 16-bit colours, not yet decoded, has its transparent colour; None for other images.

    Pillow decodes the upper byte of each channel, and colours that differ from the transparent one in their lower byte
    only are opaque: it is decoded again for the lower bytes.

    Returns:
        Mode L: 0 where the picture is transparent, else 255.
    """
    key = image.info.get("transparency")
    if not isinstance(image, PngImagePlugin.PngImageFile) or not isinstance(key, tuple) or not image.tile:
        return None
    if image.tile[0].args != "RGB;16B" or image.fp is None or image.tell():
        return None
    image.fp.seek(0)
    lower = PngImagePlugin.PngImageFile(io.BytesIO(image.fp.read()))
    lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
    lower.info.clear()
    low, high = np.asarray(lower), np.asarray(image)
    same = (high == [level >> 8 for level in key]) & (low == [level & 255 for level in key])
    return Image.fromarray(np.where(same.all(axis=2), np.uint8(0), np.uint8(255)))


def spread_key(image: Image.Image) -> int | None:
    """The transparent level of a PNG of two or four bits, not yet decoded, in the levels that Pillow decodes."""
    key = image.info.get("transparency")
    if isinstance(image, ImageFile.ImageFile) and image.tile and isinstance(key, int):
        factor = _SPREAD.get(str(image.tile[0].args))
        return None if factor is None else min(key * factor, 255)
    return None


def colours_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Splits `image` into its colours (L, RGB or CMYK) and its alpha (L), which is None for an opaque image.

    Raises:
        NotAnImageError: The range of its integers or floats is unknown.
    """
    alpha = deep_key(image)
    level = spread_key(image)
    image.load()
    if image.mode.startswith("I") or image.mode == "F":
        deep = np.asarray(image)
        return Image.fromarray(_grey_from_deep(deep)), _alpha_of_level(deep, image.info.get("transparency"))
    if alpha is not None:
        return image, alpha
    if level is not None:
        return image, _alpha_of_level(np.asarray(image), level)
    if image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA", "La")
        image = _converted(image, "LA" if grey else "RGBA")
        return image.convert("L" if grey else "RGB"), image.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    return (image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")), None


def _alpha_of_level(grey: NDArray[Any], level: object) -> Image.Image | None:
    if not isinstance(level, int):
        return None
    return Image.fromarray(np.where(grey == level, np.uint8(0), np.uint8(255)))


def _converted(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # convert copies even if the mode is the same


def _grey_from_deep(grey: NDArray[Any]) -> Pixels:
    """Converts grey of 16 bits, of 32 bits with 16-bit values (as Pillow reads PGM), or of floats in 0..1."""
    if grey.dtype.kind == "i" and grey.min() >= 0 and grey.max() <= 65535:
        grey = grey.astype(np.uint16)
    return uint8_from(grey)


def backdrop_for(rgb: Pixels, alpha: Pixels) -> int:
    """The grey level to see a picture over: white, or black or grey where they contrast better with what is visible.

    Args:
        rgb: uint8 (H, W, 3), straight colours.
        alpha: uint8 (H, W).
    """
    near = dict.fromkeys(_BACKDROPS, 0)
    visible = 0
    for rows in strips(len(rgb)):
        weight = alpha[rows]
        visible += int(weight.sum(dtype=np.int64))
        for level in _BACKDROPS:
            low, high = max(0, level - _NEAR), min(255, level + _NEAR)
            inside = cv2.inRange(rgb[rows], (low, low, low), (high, high, high))
            near[level] += int(cv2.bitwise_and(weight, inside).sum(dtype=np.int64))
    if near[_BACKDROPS[0]] <= _TOO_MUCH * visible:
        return _BACKDROPS[0]
    return min(_BACKDROPS, key=lambda level: near[level])


def over(rgb: Pixels, alpha: Pixels, backdrop: int) -> Pixels:
    """Composites `rgb` (H, W, 3) with straight `alpha` (H, W) over a grey level: uint8 (H, W, 3)."""
    seen = np.empty_like(rgb)
    for rows in strips(len(rgb)):
        weight = alpha[rows, :, None].astype(np.uint16)
        seen[rows] = (rgb[rows] * weight + backdrop * (255 - weight) + 127) // 255
    return seen
