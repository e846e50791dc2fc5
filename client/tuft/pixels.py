"""Pixels of every kind made one: what Pillow and arrays hold, as uint8 colours and uint8 alpha."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuft.errors import NotAnImageError

Pixels = NDArray[np.uint8]

# How to turn the stored picture upright, by EXIF orientation (Exif 2.32, tag 0x0112).
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def colours_and_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours of `image` as L, RGB or CMYK, and its alpha as L where it has any transparency.

    Raises:
        NotAnImageError: Its pixels are integers or floats of a range that cannot be known.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_grey_from_deep(np.asarray(image))), None
    if image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA", "La")
        image = image.convert("LA" if grey else "RGBA")
        return image.convert("L" if grey else "RGB"), image.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    return (image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")), None


def _grey_from_deep(grey: NDArray[Any]) -> Pixels:
    """Grey of 16 bits, of 32 bits that hold 16 as Pillow reads PGM, or of floating point in 0..1."""
    if grey.dtype.kind == "i" and grey.min() >= 0 and grey.max() <= 65535:
        grey = grey.astype(np.uint16)
    return uint8_from(grey)


def uint8_from(array: NDArray[Any]) -> Pixels:
    """`array` scaled to 0..255 and rounded, by what its type says of its range.

    Raises:
        NotAnImageError: It is neither uint8, uint16 nor bool, nor of floats in 0..1.
    """
    kind, itemsize = array.dtype.kind, array.dtype.itemsize
    if (kind, itemsize) == ("u", 1):
        return array
    if (kind, itemsize) == ("u", 2):  # of either byte order
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if kind == "b":
        return np.where(array, np.uint8(255), np.uint8(0))
    if kind == "f" and array.min() >= 0 and array.max() <= 1:  # false for NaN
        rounded: Pixels = np.rint(array.astype(np.float32) * 255).astype(np.uint8)
        return rounded
    raise NotAnImageError(
        f"These pixels of type {array.dtype} have no known range: give uint8, uint16, bool, or floats in 0..1."
    )


def over_white(rgb: Pixels, alpha: Pixels) -> Pixels:
    """`rgb` (H, W, 3) with straight `alpha` (H, W) seen on white: uint8 (H, W, 3)."""
    weight = alpha[..., None].astype(np.uint16)
    return ((rgb * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """`image`, stored in an EXIF orientation of 1 to 8, turned upright; other values count as 1."""
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)
