"""Looking at what a command has written."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from tuft.batch import manifest


def files(folder: Path) -> list[str]:
    """Everything below `folder`, hidden files included, but for the manifest of `tuft remove`."""
    found = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    return sorted(name for name in found if name != manifest.NAME)


def mode(file: Path) -> str:
    """The mode of a picture that can be read to its end."""
    with Image.open(file) as image:
        image.load()
        return image.mode
