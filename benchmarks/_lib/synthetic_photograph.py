"""A synthetic photograph of any size with known saliency: a furry disk in front of a table, with sensor noise."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image

from tuft.imaging.pixels import strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOISE: Final = 3.0  # grey levels
_SALIENCY_PX: Final = 1024


def synthetic_photograph(megapixels: float) -> tuple[bytes, NDArray[np.float32]]:
    """Makes a 4:3 photograph.

    Returns:
        The JPEG bytes, and the saliency float32 [1024, 1024] that a good network would return.
    """
    import skimage.data

    unit = int((megapixels / 12) ** 0.5 * 1000)
    size_hw = (3 * unit, 4 * unit)
    alpha = _furry_disk(size_hw)
    subject, table = (_enlarged(picture, size_hw) for picture in (skimage.data.chelsea(), skimage.data.coffee()))
    rng = np.random.default_rng(1)
    for rows in strips(size_hw[0]):
        share = alpha[rows, :, None]
        mixed = share * subject[rows] + (1 - share) * table[rows]
        table[rows] = np.clip(np.rint(mixed + rng.normal(0, _NOISE, mixed.shape)), 0, 255)
    file = io.BytesIO()
    Image.fromarray(table).save(file, "JPEG", quality=92)
    small = cv2.resize(alpha, (_SALIENCY_PX, _SALIENCY_PX), interpolation=cv2.INTER_AREA)
    saliency: NDArray[np.float32] = cv2.GaussianBlur(small, (0, 0), 1.0)
    return file.getvalue(), saliency


def _enlarged(picture: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    enlarged: NDArray[np.uint8] = cv2.resize(picture, size_hw[::-1], interpolation=cv2.INTER_LANCZOS4)
    return enlarged


def _furry_disk(size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Alpha of a disk that covers two fifths of the picture, its edge frayed at a coarse and a fine scale."""
    rng = np.random.default_rng(7)
    rows, columns = (np.arange(side, dtype=np.float32)[:, None] / size_hw[0] for side in size_hw)
    distance = np.hypot(rows - np.float32(0.5), columns.T - np.float32(size_hw[1] / size_hw[0] / 2))
    for cells, depth in ((750, 0.01), (15, 0.03)):
        noise = rng.standard_normal((cells, cells * size_hw[1] // size_hw[0])).astype(np.float32)
        distance += np.float32(depth) * cv2.resize(noise, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    alpha: NDArray[np.float32] = np.clip((np.float32(0.36) - distance) * 60 + np.float32(0.5), 0, 1)
    return alpha
