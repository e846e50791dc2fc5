"""An archive of small photographs, some of them broken in the ways that real archives are."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

_SUBJECTS: Final = ("astronaut", "chelsea", "coffee", "rocket")
_LONG_PX: Final = 320
_FOLDER: Final = 100  # photographs in each


def archive(folder: Path, count: int, broken: int) -> list[str]:
    """Writes JPEG files, `broken` of them evenly spread; returns the keys of these.

    Args:
        folder: Where; folders of a hundred are made in it.
        count: How many files.
        broken: How many of them no decoder can read.
    """
    rng = np.random.default_rng(19)
    subjects = [_sample(name) for name in _SUBJECTS]
    every = count // broken if broken else count + 1
    damaged: list[str] = []
    for number in range(count):
        key = f"{number // _FOLDER:03}/{number:05}.jpg"
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        data = _photograph(subjects[number % len(subjects)], rng)
        if number % every == every - 1:
            data = _damaged(data, len(damaged))
            damaged.append(key)
        (folder / key).write_bytes(data)
    return damaged


def _sample(name: str) -> Image.Image:
    import skimage.data

    image = Image.fromarray(getattr(skimage.data, name)())
    image.thumbnail((int(_LONG_PX * 1.25),) * 2)
    return image


def _photograph(subject: Image.Image, rng: np.random.Generator) -> bytes:
    """A part of the picture, so that no two files are the same."""
    width, height = (round(side * 0.8) for side in subject.size)
    left, top = (int(rng.integers(0, side // 5)) for side in subject.size)
    file = io.BytesIO()
    subject.crop((left, top, left + width, top + height)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _damaged(data: bytes, number: int) -> bytes:
    ways = (b"<html>404 Not Found</html>", b"", data[: len(data) // 3], data[:20] + bytes(len(data) - 20))
    return ways[number % len(ways)]
