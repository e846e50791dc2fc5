"""Resizes a photograph to the network's square input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image

from tuft.imaging.geometry import Geometry, geometry_of
from tuft.imaging.pixels import THREADS, strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.presets import Resize


# Few enough for no thread to wait for another, and for little memory.
_STRIP_ROWS: Final = 192


def network_image(rgb: NDArray[np.uint8], size: int, resize: Resize) -> tuple[NDArray[np.uint8], Geometry]:
    """The network's input for a photograph, and where the photograph lies in it.

    Pillow's antialiased bilinear, which the published weights were used with (`static_resize` in transparent-background
    1.3.4), is the only resize before the network. Around a `dynamic` picture the margins repeat its edge pixels, so
    that no artificial contour appears.

    Args:
        rgb: uint8 (H, W, 3), sRGB.
        size: Side S of the network's square in pixels.
        resize: `static` or `dynamic`, see `geometry_of`.

    Returns:
        uint8 (S, S, 3), C-contiguous, and the geometry.
    """
    geometry = geometry_of((rgb.shape[0], rgb.shape[1]), size, resize)
    height, width = geometry.box_hw
    box = _resized(rgb, (height, width))
    (top, left), (below, right) = geometry.offset_yx, (size - height, size - width)
    margins = ((top, below - top), (left, right - left), (0, 0))
    return np.ascontiguousarray(np.pad(box, margins, mode="edge")), geometry


def _resized(rgb: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Pillow's antialiased bilinear in several threads: first across, in strips of rows, then down, by channel.

    Pillow itself rounds between the two, so the result is the same; only if a picture grows, it may go down first.
    """
    height, width = size_hw
    if height > rgb.shape[0] or width > rgb.shape[1]:
        grown: NDArray[np.uint8] = cv2.merge([_resized_channel(channel, size_hw) for channel in cv2.split(rgb)])
        return grown
    narrow = np.empty((3, rgb.shape[0], width), np.uint8)

    def across(rows: slice) -> None:
        for channel, resized in zip(cv2.split(rgb[rows]), narrow, strict=True):
            resized[rows] = _resized_channel(channel, (len(channel), width))

    with ThreadPoolExecutor(THREADS) as pool:  # Pillow releases the GIL, and reads a grey array without a copy
        list(pool.map(across, strips(rgb.shape[0], _STRIP_ROWS)))
        channels = list(pool.map(lambda channel: _resized_channel(channel, (height, width)), narrow))
    box: NDArray[np.uint8] = cv2.merge(channels)
    return box


def _resized_channel(channel: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(channel).resize(size_hw[::-1], Image.Resampling.BILINEAR))
