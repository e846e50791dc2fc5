"""Converts the pixel formats of Pillow and NumPy to uint8 colours and uint8 alpha."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tuft.errors import NotAnImageError

Pixels = NDArray[np.uint8]

# NumPy, OpenCV, Pillow and zlib release the GIL while they compute; more threads than this gain nothing.
THREADS: Final = min(4, os.cpu_count() or 1)

# From EXIF orientation (Exif 2.32, tag 0x0112) to the transform that turns the stored rows upright.
_UPRIGHT: Final[dict[int, Callable[[Pixels], Pixels]]] = {
    2: lambda stored: cv2.flip(stored, 1),
    3: lambda stored: cv2.rotate(stored, cv2.ROTATE_180),
    4: lambda stored: cv2.flip(stored, 0),
    5: cv2.transpose,
    6: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE),
    7: lambda stored: cv2.flip(cv2.transpose(stored), -1),
    8: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def strips(height: int, rows: int = 64) -> Iterator[slice]:
    """The rows of an image in strips small enough for temporaries to fit the processor's cache."""
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))


def array_from(image: Image.Image) -> Pixels:
    """The pixels of `image` (L or RGB): uint8 (H, W) or (H, W, 3).

    Copying strips is twice as fast as `np.asarray`, which copies the whole image twice.
    """
    array = np.empty((image.height, image.width, 3)[: 3 if image.mode == "RGB" else 2], np.uint8)
    for rows in strips(image.height):
        array[rows] = image.crop((0, rows.start, image.width, rows.stop))
    return array


def uint8_from(array: NDArray[Any]) -> Pixels:
    """Scales `array` from the range of its type to 0..255, rounded.

    Raises:
        NotAnImageError: It is not uint8, uint16, bool, or floats in 0..1.
    """
    kind, itemsize = array.dtype.kind, array.dtype.itemsize
    if (kind, itemsize) == ("u", 1):
        return array
    if (kind, itemsize) == ("u", 2):  # of either byte order
        return _by_strips(array, lambda deep: (deep.astype(np.uint32) + 128) // 257)
    if kind == "b":
        return np.where(array, np.uint8(255), np.uint8(0))
    if kind == "f" and array.min() >= 0 and array.max() <= 1:  # false for NaN
        return _by_strips(array, lambda share: np.rint(share.astype(np.float32) * 255))
    raise NotAnImageError(
        f"These pixels of type {array.dtype} have no known range: give uint8, uint16, bool, or floats in 0..1."
    )


def _by_strips(array: NDArray[Any], levels: Callable[[NDArray[Any]], NDArray[Any]]) -> Pixels:
    converted = np.empty(array.shape, np.uint8)
    for rows in strips(len(array)):
        converted[rows] = levels(array[rows])
    return converted


def upright(stored: Pixels, orientation: int) -> Pixels:
    """Turns `stored`, in EXIF orientation 1 to 8, upright; other values count as 1."""
    turn = _UPRIGHT.get(orientation)
    return stored if turn is None else turn(stored)
