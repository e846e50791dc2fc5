"""What a folder of cut-outs remembers of its making, so that a later run does only what has not been done.

One line of JSON for each photograph, appended as soon as its cut-out is complete. The last line about a cut-out counts;
a line that cannot be read, such as the last one of a run that was killed, counts for nothing.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from tuft.files import append_lines
from tuft.provenance import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = ".tuft-manifest.jsonl"
DONE: Final = "done"


@dataclass(frozen=True)
class Source:
    """A photograph's file as it was before its subject was cut out.

    Attributes:
        path: Where it was.
        size_bytes: How long it was.
        modified_ns: When it was last changed, in nanoseconds since 1970.
        sha256: Of its contents, in hexadecimal.
    """

    path: str
    size_bytes: int
    modified_ns: int
    sha256: str

    @classmethod
    def of(cls, file: Path) -> Source:
        """The file as it is now.

        Raises:
            OSError: It cannot be read.
        """
        status = file.stat()  # before the contents: a change in between shows at the next look
        return cls(str(file.absolute()), status.st_size, status.st_mtime_ns, file_sha256(file))

    def is_still(self, file: Path) -> bool:
        """Whether `file` has these contents; one of the same name, length and time is taken at its word.

        Raises:
            OSError: It cannot be read.
        """
        status = file.stat()
        same = (str(file.absolute()), status.st_size, status.st_mtime_ns)
        return same == (self.path, self.size_bytes, self.modified_ns) or file_sha256(file) == self.sha256


@dataclass(frozen=True)
class Entry:
    """What became of one photograph.

    Attributes:
        target: The cut-out, by its path from the folder, with slashes.
        options: Digest of everything else that the cut-out depends on.
        outcome: `done`, or the name of the error's class.
        source: The photograph; None if it could not be read.
        target_sha256: Of the cut-out's contents, in hexadecimal; None if there is none.
        model: Name of the model that answered; None if none did.
        model_version: Its version, as the server counts.
        fallback_reason: Why a smaller preset served it; None if none did.
        error: The sentence about what went wrong.
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
        """One line of JSON in ASCII: any file name can be written."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Entry | None:
        """What `to_line` has written; None for anything else."""
        try:
            values = json.loads(line)
            source = values.pop("source")
            entry = cls(**values, source=None if source is None else Source(**source))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return entry if isinstance(entry.target, str) else None


class Manifest:
    """The memory of one folder; each method may be called from several threads.

    Nothing is written before the folder is there: failures alone make none.

    Args:
        folder: Where the cut-outs go; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / NAME
        self._entries = _entries_in(self._file)
        self._unwritten = b""
        self._lock = threading.Lock()

    def name_of(self, target: Path) -> str:
        """What an `Entry` calls the cut-out `target`."""
        return target.relative_to(self._folder).as_posix()

    def is_done(self, source: Path, target: Path, options: str) -> bool:
        """Whether `target` is what a run with the same options has made of the same photograph, byte for byte.

        A cut-out that a smaller preset has served does not count: this time there may be room for the one asked for.
        """
        entry = self._entries.get(self.name_of(target))
        if entry is None or entry.source is None:
            return False
        if (entry.outcome, entry.options, entry.fallback_reason) != (DONE, options, None):
            return False
        try:
            return entry.source.is_still(source) and file_sha256(target) == entry.target_sha256
        except OSError:
            return False

    def record(self, entry: Entry) -> None:
        """Takes down what has become of a photograph, its cut-out being complete, and has it on its way to the disk.

        Raises:
            OutputError: The manifest cannot be written.
        """
        with self._lock:
            self._entries[entry.target] = entry
            self._unwritten += entry.to_line()
            if self._folder.is_dir():
                append_lines(self._file, self._unwritten)
                self._unwritten = b""


def _entries_in(file: Path) -> dict[str, Entry]:
    """The last entry about each cut-out; none if the file cannot be read, for then all is done again."""
    try:
        with file.open("rb") as lines:
            entries = [entry for line in lines if (entry := Entry.from_line(line)) is not None]
    except OSError:
        return {}
    return {entry.target: entry for entry in entries}
