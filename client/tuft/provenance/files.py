"""Which files belong to a version of a model, and their hashes.

A version folder owns the files in it. What lies beside it (configurations, the warm-up picture) is shared by all
versions of the model, and has a name that begins with `../`.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# A compiled `model.py` that lies in a folder of this name is run instead of the one that was verified, if it claims
# that one's time and length; Triton's Python listens to no variable that forbids it. A file in its place does.
COMPILED: Final = "__pycache__"

_VERSION: Final = re.compile(r"[1-9][0-9]*")
_BLOCK_BYTES: Final = 1 << 20


def is_version(name: str) -> bool:
    """Whether Triton takes a folder of this name for a version."""
    return _VERSION.fullmatch(name) is not None


def version_folders(model: Path) -> list[Path]:
    """The version folders of a model, by number."""
    return sorted((path for path in model.iterdir() if _is_version_folder(path)), key=lambda path: int(path.name))


def own_files(version: Path) -> dict[str, Path]:
    """The files in a version folder by their path from there."""
    return {path.relative_to(version).as_posix(): path for path in _walk(version)}


def shared_files(model: Path) -> dict[str, Path]:
    """The files that all versions of a model share, by their path from a version folder."""
    paths = [
        path
        for child in model.iterdir()
        # A dot begins the name of what is not published yet, or no longer.
        if not (_is_version_folder(child) or child.name.startswith("."))
        for path in (_walk(child) if child.is_dir() else [child])
    ]
    return {f"../{path.relative_to(model).as_posix()}": path for path in paths}


def is_shared(name: str) -> bool:
    """Whether a name as of `shared_files` is one of them."""
    return name.startswith("../")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's contents in hexadecimal."""
    digest, block = hashlib.sha256(), memoryview(bytearray(_BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            digest.update(block[:count])
    return digest.hexdigest()


def _is_version_folder(path: Path) -> bool:
    return path.is_dir() and is_version(path.name)


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder; a link to a folder counts as one, what keeps compiled Python away does not."""
    for root, folders, files in os.walk(folder):
        for path in (Path(root, name) for name in [*files, *folders]):
            if path.is_symlink() or not (path.is_dir() or path.name == COMPILED):
                yield path
