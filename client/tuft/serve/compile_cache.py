"""The folder in which `model.py` caches compiled graphs, so that the next start does not compile them again.

File names are hashes of everything that a compiled graph depends on, so an entry is never stale. Unused entries only
take space: the oldest are removed when the folder grows too large.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tuft.files import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE: Final = "TUFT_COMPILED"  # read by tuft_runtime/model.py
LARGEST_BYTES: Final = 2**30


def compiled_folder() -> Path:
    """The folder of compiled graphs."""
    return cache_folder() / "compiled"


def prepare(folder: Path, largest_bytes: int = LARGEST_BYTES) -> None:
    """Creates `folder` for this user only, and removes its oldest files until the rest fit into `largest_bytes`.

    A folder that cannot be written is no error: each start then compiles.
    """
    with suppress(OSError):
        # Compiled graphs are trusted as models are: no other user may write here.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        total_bytes = 0
        for file in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime, reverse=True):
            total_bytes += file.stat().st_size
            if total_bytes > largest_bytes:
                file.unlink(missing_ok=True)
