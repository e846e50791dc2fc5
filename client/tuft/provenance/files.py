"""Which files belong to a version of a model.

A version folder owns the files in it. The files beside it (configurations, the warm-up picture) are shared by all
versions of the model; their names start with `../`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Python runs a compiled module from the folder of this name instead of the verified source, if it records the source's
# time and length. Triton's Python ignores the variables that would turn this off, so an empty file takes the folder's
# place: Python then neither reads nor writes compiled modules there.
COMPILED: Final = "__pycache__"

_VERSION: Final = re.compile(r"[1-9][0-9]*")


def is_version(name: str) -> bool:
    """Whether Triton treats a folder of this name as a version."""
    return _VERSION.fullmatch(name) is not None


def version_folders(model: Path) -> list[Path]:
    """The version folders of a model, by number."""
    return sorted((path for path in model.iterdir() if _is_version_folder(path)), key=lambda path: int(path.name))


def own_files(version: Path) -> dict[str, Path]:
    """The files in a version folder by their relative path."""
    return {path.relative_to(version).as_posix(): path for path in _walk(version)}


def shared_files(model: Path) -> dict[str, Path]:
    """The files that all versions of a model share, by their path relative to a version folder."""
    paths = [
        path
        for child in model.iterdir()
        # A name that starts with a dot is a version being published or replaced.
        if not (_is_version_folder(child) or child.name.startswith("."))
        for path in (_walk(child) if child.is_dir() else [child])
    ]
    return {f"../{path.relative_to(model).as_posix()}": path for path in paths}


def is_shared(name: str) -> bool:
    """Whether a name in a record is that of a shared file."""
    return name.startswith("../")


def _is_version_folder(path: Path) -> bool:
    return path.is_dir() and is_version(path.name)


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder, including links to folders, without the empty files called COMPILED."""
    for root, folders, files in os.walk(folder):
        for path in (Path(root, name) for name in [*files, *folders]):
            if path.is_symlink() or not (path.is_dir() or path.name == COMPILED):
                yield path
