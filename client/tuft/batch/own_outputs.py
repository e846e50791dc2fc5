"""Tells cut-outs of earlier runs, which must not be taken for photographs, by the manifests of their folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuft.batch import manifest
from tuft.files import file_hash

if TYPE_CHECKING:
    from collections.abc import Collection

    from tuft.batch.manifest import Entry

_State = tuple[int, int]


class OwnOutputs:
    """The cut-outs that the manifests name, as far as they are unchanged; other files of these names are photographs.

    Attributes:
        left_out: The files that were found to be cut-outs, in order.
    """

    def __init__(self) -> None:
        self.left_out: dict[Path, None] = {}
        self._entries: dict[Path, Entry] = {}
        self._manifests: dict[Path, _State] = {}
        self._verdicts: dict[Path, tuple[_State, str | None, bool]] = {}

    def read(self, folder: Path) -> None:
        """Reads the manifest in `folder`, if there is one that has not been read; it is valid for all files below."""
        real = Path(os.path.realpath(folder))
        file = real / manifest.NAME
        state = _state(file)
        if state is None or self._manifests.get(file) == state:
            return
        self._manifests[file] = state
        self._entries |= {real / name: entry for name, entry in manifest.entries_in(file).items()}

    def read_above(self, folder: Path) -> None:
        """Reads the manifests in `folder` and all folders above it."""
        real = Path(os.path.realpath(folder))
        for above in (*reversed(real.parents), real):
            self.read(above)

    def __contains__(self, file: Path) -> bool:
        place = _place(file)
        entry, state = self._entries.get(place), _state(file)
        if entry is None or entry.outcome != manifest.DONE or state is None:
            return False
        known = self._verdicts.get(place)
        if known is None or known[:2] != (state, entry.target_sha256):
            known = (state, entry.target_sha256, _hash(file) == entry.target_sha256)
            self._verdicts[place] = known
        return known[2]

    def made_from(self, file: Path, photographs: Collection[str]) -> bool:
        """Whether `file` is the cut-out of another one of `photographs`, given as absolute paths."""
        entry = self._entries.get(_place(file))
        if entry is None or entry.source is None:
            return False
        source, own = os.path.abspath(entry.source.path), os.path.abspath(file)  # noqa: PTH100 - links stay
        return source != own and source in photographs and file in self

    def leave_out(self, file: Path) -> None:
        """Remembers that `file` has been left out."""
        self.left_out[file] = None


def _place(file: Path) -> Path:
    return Path(os.path.realpath(file.parent)) / file.name


def _state(file: Path) -> _State | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _hash(file: Path) -> str | None:
    try:
        return file_hash(file)
    except OSError:
        return None
