"""Inspects the output files of commands."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tuft.batch import manifest


def files(folder: Path) -> list[str]:
    """All files below `folder`, including hidden ones, except the manifest of `tuft remove`."""
    found = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    return sorted(name for name in found if name != manifest.NAME)


def mode(file: Path) -> str:
    """The mode of an image that can be decoded completely."""
    with Image.open(file) as image:
        image.load()
        return image.mode
