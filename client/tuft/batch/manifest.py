"""The manifest of a folder of cut-outs, with which a later run skips the photographs that have been done.

It has one line of JSON for each photograph, appended as soon as its cut-out is complete. The last line about a cut-out
is valid. Lines that cannot be read, such as the last line of a run that was killed, are ignored.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from tuft.files import append_lines, file_hash

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = ".tuft-manifest.jsonl"
DONE: Final = "done"


@dataclass(frozen=True)
class Source:
    """The file of a photograph, as it was when it was read.

    Attributes:
        path: Its absolute path.
        size_bytes: Its size.
        modified_ns: Time of its last modification in nanoseconds since 1970.
        sha256: SHA-256 of its contents in hexadecimal.
    """

    path: str
    size_bytes: int
    modified_ns: int
    sha256: str

    @classmethod
    def of(cls, file: Path) -> Source:
        """The current state of a file.

        Raises:
            OSError: The file cannot be read.
        """
        status = file.stat()  # before the contents, so that a change in between is noticed by the next run
        return cls(str(file.absolute()), status.st_size, status.st_mtime_ns, file_hash(file))

    def is_still(self, file: Path) -> bool:
        """Whether `file` has the same contents; it is hashed only if its path, size or time differ.

        Raises:
            OSError: The file cannot be read.
        """
        status = file.stat()
        same = (str(file.absolute()), status.st_size, status.st_mtime_ns)
        return same == (self.path, self.size_bytes, self.modified_ns) or file_hash(file) == self.sha256


@dataclass(frozen=True)
class Entry:
    """The outcome of one photograph.

    Attributes:
        target: Path of the cut-out relative to the folder, with slashes.
        options: Digest of everything except the photograph that the cut-out depends on.
        outcome: `done`, or the name of the error class.
        source: The photograph; None if it could not be read.
        target_sha256: SHA-256 of the contents of the cut-out in hexadecimal; None if there is none.
        model: Name of the model that answered; None if none did.
        model_version: Version of the model.
        fallback_reason: Why a smaller preset served it; None if the requested preset did.
        error: The error message; None if it succeeded.
    """

    target: str
    options: str
    outcome: str
    source: Source | None
    target_sha256: str | None = None
    model: str | None = None
    model_version: str | None = None
    fallback_reason: str | None = None
    error: str | None = None

    def to_line(self) -> bytes:
        """The entry as one line of JSON. It is ASCII, so it can hold any file name."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Entry | None:
        """Parses a line that `to_line` has made; None for anything else."""
        try:
            values = json.loads(line)
            source = values.pop("source")
            entry = cls(**values, source=None if source is None else Source(**source))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return entry if isinstance(entry.target, str) else None


class Manifest:
    """The manifest of one folder; each method may be called from several threads.

    Nothing is written before the folder exists, so failures alone do not create it.

    Args:
        folder: The folder of the cut-outs; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / NAME
        self._entries = entries_in(self._file)
        self._unwritten = b""
        self._lock = threading.Lock()

    @property
    def file(self) -> Path:
        """The file of the manifest."""
        return self._file

    def name_of(self, target: Path) -> str:
        """The name of the cut-out `target` in an `Entry`."""
        return target.relative_to(self._folder).as_posix()

    def is_done(self, source: Path, target: Path, options: str) -> bool:
        """Whether `target` is, byte for byte, the cut-out that a run with the same options made of the same photograph.

        A cut-out that a smaller preset has served does not count: this time the requested preset may be available.
        """
        entry = self._entries.get(self.name_of(target))
        if entry is None or entry.source is None:
            return False
        if (entry.outcome, entry.options, entry.fallback_reason) != (DONE, options, None):
            return False
        try:
            return entry.source.is_still(source) and file_hash(target) == entry.target_sha256
        except OSError:
            return False

    def record(self, entry: Entry) -> None:
        """Records the outcome of a photograph whose cut-out is complete, and appends it to the file.

        Raises:
            OutputError: The manifest cannot be written.
        """
        with self._lock:
            self._entries[entry.target] = entry
            self._unwritten += entry.to_line()
            if self._folder.is_dir():
                append_lines(self._file, self._unwritten)
                self._unwritten = b""


def entries_in(file: Path) -> dict[str, Entry]:
    """The last entry of each cut-out; empty if the file cannot be read, so that all jobs are run again."""
    try:
        with file.open("rb") as lines:
            entries = [entry for line in lines if (entry := Entry.from_line(line)) is not None]
    except OSError:
        return {}
    return {entry.target: entry for entry in entries}
