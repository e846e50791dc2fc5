"""Real photographs that come with scikit-image, all public domain or CC0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import skimage.data

from tuft.contract import MEAN, STD

if TYPE_CHECKING:
    from numpy.typing import NDArray


def photographs(size: int, count: int = 2) -> NDArray[np.uint8]:
    """Up to three photographs, squashed to squares: uint8 [count, size, size, 3]."""
    photos = (skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee())
    squares = [cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA) for photo in photos[:count]]
    return np.stack(squares).astype(np.uint8)


def normalised(images: NDArray[np.uint8]) -> Any:
    """Normalised images for the network, a float32 torch tensor [n, 3, H, W]."""
    import torch

    scaled = (images / 255 - np.array(MEAN)) / np.array(STD)
    return torch.from_numpy(scaled.astype(np.float32)).permute(0, 3, 1, 2).contiguous()
