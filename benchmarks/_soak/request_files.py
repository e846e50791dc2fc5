"""Inputs of a soak test: photographs of many sizes and formats, every way to pass them, and broken files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tuft.imaging import ImageSource

# Mostly small, so that a few thousand requests pass within minutes.
MEGAPIXELS: Final = (0.1, 0.1, 0.15, 0.2, 0.3, 0.3, 0.5, 0.5, 0.8, 1.0, 1.0, 1.5, 2.0, 3.0, 6.0, 12.0)
WAYS: Final = ("path", "bytes", "binary file", "PIL image", "array")

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "JPEG", "BMP", "PPM", "GIF")
_LARGE_MEGAPIXELS: Final = 2.0  # JPEG only from here on


def photograph_files(folder: Path, megapixels: Sequence[float] = MEGAPIXELS) -> list[Path]:
    """Writes one photograph for each of `megapixels`, alternately portrait and landscape, in different formats."""
    paths = []
    for index, millions in enumerate(megapixels):
        long_side, short_side = round((millions * 1e6 * 4 / 3) ** 0.5), round((millions * 1e6 * 3 / 4) ** 0.5)
        size_hw = (long_side, short_side) if index % 2 else (short_side, long_side)
        kind = "JPEG" if millions >= _LARGE_MEGAPIXELS else _FORMATS[index % len(_FORMATS)]
        paths.append(folder / f"{index}.{kind.lower()}")
        Image.fromarray(_picture(index, size_hw)).save(paths[-1], kind)
    return paths


def broken_files(folder: Path) -> list[Path]:
    """Writes unusable files: empty, not an image, truncated, damaged, with too many pixels."""
    sound = io.BytesIO()
    Image.fromarray(_picture(0, (300, 400))).save(sound, "JPEG")
    jpeg = sound.getvalue()
    contents = {
        "empty.jpg": b"",
        "text.png": b"This is no picture.\n" * 99,
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "damaged.jpg": jpeg[:2] + bytes(len(jpeg) - 2),
        "huge.ppm": b"P6 99999 99999 255\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def given(path: Path, way: str) -> ImageSource:
    """Passes the file at `path` in one of `WAYS`; a broken file stays a path where it cannot be decoded."""
    if way == "bytes":
        return path.read_bytes()
    if way == "binary file":
        return io.BytesIO(path.read_bytes())
    if way in ("PIL image", "array") and path.stem.isdecimal():
        image = Image.open(io.BytesIO(path.read_bytes()))
        return image if way == "PIL image" else np.array(image.convert("RGB"))
    return path


def _picture(seed: int, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """A bright, rough shape in front of a dark, smooth background: uint8 [h, w, 3]."""
    height, width = size_hw
    random = np.random.default_rng(seed)
    smooth = cv2.resize(random.integers(0, 90, (6, 6, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    rough = random.integers(170, 256, (height // 4, width // 4, 3), np.uint8)
    rough = cv2.resize(rough, (width, height), interpolation=cv2.INTER_LINEAR)
    shape = np.zeros(size_hw, np.float32)
    cv2.ellipse(shape, (width // 2, height // 2), (width // 4, height // 3), seed * 20, 0, 360, 1.0, -1)
    alpha = cv2.GaussianBlur(shape, (0, 0), 2)[..., np.newaxis]
    return np.asarray(rough * alpha + smooth * (1 - alpha) + 0.5, np.uint8)
