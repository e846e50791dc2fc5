"""Sample images for warm-up and parity checks, made from a photograph that ships with tuft."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray


def warmup_picture(size: int) -> NDArray[np.uint8]:
    """The photograph squashed to uint8 [size, size, 3], sRGB."""
    with Image.open(Path(__file__).with_name("chelsea.jpg")) as photo:
        return np.asarray(photo.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))


def sample_pictures(size: int, count: int) -> NDArray[np.uint8]:
    """Different images, uint8 [count, size, size, 3]: the photograph rotated, mirrored and darkened."""
    photo = warmup_picture(size)
    variants = [np.rot90(photo, i)[:, :: (-1) ** i] // (1 + i % 3) for i in range(count)]
    return np.ascontiguousarray(np.stack(variants))


def stress_pictures(size: int) -> dict[str, NDArray[np.uint8]]:
    """Images that provoke errors of half precision, each uint8 [size, size, 3], by name.

    A constant image has no variance, so that normalisations divide by almost zero; noise contains every frequency; one
    bright pixel is the largest possible gradient.
    """
    plain = np.zeros((size, size, 3), np.uint8)
    pixel = plain.copy()
    pixel[size // 2, size // 2] = 255
    return {
        "photograph": warmup_picture(size),
        "mirrored, darker": sample_pictures(size, 2)[1],
        "black": plain,
        "grey": plain + np.uint8(128),
        "white": plain + np.uint8(255),
        "noise": np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8),
        "one bright pixel": pixel,
    }
