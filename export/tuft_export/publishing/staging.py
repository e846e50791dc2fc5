"""Version folders appear complete or not at all: they are filled under another name, then renamed."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuft.files import cannot_be_written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def staging(version_folder: Path) -> Iterator[Path]:
    """An empty folder beside `version_folder`, whose name starts with a dot; removed after the block.

    The model's folder is created where it is missing, and removed again if no version was put in place.

    Raises:
        OutputError: The repository is read-only, or its disk is full.
    """
    model_folder = version_folder.parent
    is_new = not model_folder.exists()
    folder = version_folder.with_name(f".{version_folder.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
    except OSError as exc:
        raise cannot_be_written(version_folder, exc) from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if is_new and not version_folder.exists():
            shutil.rmtree(model_folder, ignore_errors=True)


def replace_folder(staged: Path, target: Path) -> None:
    """Moves `staged` to `target`, in two renames: a folder that is not empty cannot be replaced in one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    staged.rename(target)
    shutil.rmtree(old, ignore_errors=True)
