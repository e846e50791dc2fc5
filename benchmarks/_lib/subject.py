"""A photograph of any size whose saliency is known: a furry patch in front of a table, with a camera's noise."""

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
_NETWORK: Final = 1024  # pixels


def photograph(megapixels: float) -> tuple[bytes, NDArray[np.float32]]:
    """A JPEG of 4 : 3, and float32 (1024, 1024), what a good network would say about it."""
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
    small = cv2.resize(alpha, (_NETWORK, _NETWORK), interpolation=cv2.INTER_AREA)
    saliency: NDArray[np.float32] = cv2.GaussianBlur(small, (0, 0), 1.0)
    return file.getvalue(), saliency


def _enlarged(picture: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    enlarged: NDArray[np.uint8] = cv2.resize(picture, size_hw[::-1], interpolation=cv2.INTER_LANCZOS4)
    return enlarged


def _furry_disk(size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Alpha of a disk over two fifths of the picture, its edge frayed coarsely and finely."""
    rng = np.random.default_rng(7)
    rows, columns = (np.arange(side, dtype=np.float32)[:, None] / size_hw[0] for side in size_hw)
    distance = np.hypot(rows - np.float32(0.5), columns.T - np.float32(size_hw[1] / size_hw[0] / 2))
    for cells, depth in ((750, 0.01), (15, 0.03)):
        noise = rng.standard_normal((cells, cells * size_hw[1] // size_hw[0])).astype(np.float32)
        distance += np.float32(depth) * cv2.resize(noise, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
    alpha: NDArray[np.float32] = np.clip((np.float32(0.36) - distance) * 60 + np.float32(0.5), 0, 1)
    return alpha
