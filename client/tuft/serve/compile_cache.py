"""The folder in which `model.py` keeps compiled graphs, so that the next start does not compile them again.

Their names are hashes of all that they depend on, so none is ever wrong; those that nobody asks for any more are merely
in the way, and the oldest go when all together are too large.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tuft.files import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE: Final = "TUFT_COMPILED"  # read by tuft_export/python_model.py
LARGEST_BYTES: Final = 2**30


def compiled_folder() -> Path:
    """Where they are kept."""
    return cache_folder() / "compiled"


def prepare(folder: Path, largest_bytes: int = LARGEST_BYTES) -> None:
    """Make `folder` for this user alone, and remove the oldest of its files until all together are small enough.

    A folder that cannot be written is no error: then each start compiles.
    """
    with suppress(OSError):
        # Compiled graphs are trusted as models are: nobody else may put one there.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        total_bytes = 0
        for file in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True):
            total_bytes += file.stat().st_size
            if total_bytes > largest_bytes:
                file.unlink(missing_ok=True)
