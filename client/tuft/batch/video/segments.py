"""The finished segments of a video that is being cut out, from which an interrupted run can go on."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.batch.video.writing import Segment
from tuft.errors import OutputError
from tuft.files import append_lines, make_folder, write_atomically

if TYPE_CHECKING:
    from tuft.batch.video.formats import VideoFormat

_JOURNAL: Final = "segments.jsonl"
STATE: Final = "state.npz"


@dataclass(frozen=True)
class Finished:
    """A finished segment, as its line in the journal says.

    Attributes:
        file: Its name.
        begin: The time of its first frame, in units of the clip.
        last: The duration of its last frame.
        frames: How many frames it has.
        subjects: In how many of them there is a subject.
        size_hw: Height and width of its frames.
    """

    file: str
    begin: int
    last: int
    frames: int
    subjects: int
    size_hw: tuple[int, int]


class Segments:
    """The folder of a video's segments, hidden beside the file that they will become.

    Args:
        target: The file.
        key: Identifies source and options: only segments of the same are taken over.
        resume: Whether the segments of an earlier run are kept.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, target: Path, key: str, *, resume: bool) -> None:
        self.folder = _folder_of(target)
        self.finished: list[Finished] = []
        if resume:
            self.finished = self._read(key)
        if not self.finished:
            self.remove()
            make_folder(self.folder)
            write_atomically(self.folder / _JOURNAL, _line({"key": key}))

    @property
    def frames(self) -> int:
        """How many frames are done."""
        return sum(segment.frames for segment in self.finished)

    @property
    def subjects(self) -> int:
        """In how many of them there is a subject."""
        return sum(segment.subjects for segment in self.finished)

    @property
    def parts(self) -> list[Segment]:
        """What `tuft.batch.video.writing.join` takes."""
        return [Segment(self.folder / each.file, each.begin, each.last) for each in self.finished]

    def next_file(self, format: VideoFormat) -> Path:
        """The file for the next segment; it counts once it is recorded."""
        return self.folder / f"{len(self.finished):06d}.{format.name}"

    def record(self, segment: Finished) -> None:
        """Records a complete segment.

        Raises:
            OutputError: The journal cannot be written.
        """
        append_lines(self.folder / _JOURNAL, _line(asdict(segment)))
        self.finished.append(segment)

    def tidy(self) -> None:
        """Removes what a later run cannot go on from: everything, or with finished segments the one that is not."""
        with suppress(OSError, OutputError):
            if not self.finished:
                self.remove()
            for file in self.folder.glob(f"{len(self.finished):06d}.*"):
                file.unlink()

    def remove(self) -> None:
        """Removes the folder.

        Raises:
            OutputError: It cannot be removed.
        """
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as exc:
            raise OutputError(f"{self.folder} cannot be removed ({exc.strerror}): remove it.") from exc

    def _read(self, key: str) -> list[Finished]:
        """The segments of an earlier run with the same key whose files are there; a line that is broken ends them."""
        found: list[Finished] = []
        try:
            first, *lines = (self.folder / _JOURNAL).read_text().splitlines()
            if json.loads(first) != {"key": key}:
                return []
            for line in lines:
                values = json.loads(line)
                found.append(Finished(**{**values, "size_hw": tuple(values["size_hw"])}))
                if not (self.folder / found[-1].file).is_file():
                    return found[:-1]
        except (OSError, ValueError, TypeError, KeyError):
            pass
        return found


def frames_done(target: Path) -> int:
    """How many frames of `target` an interrupted run has left for one that resumes."""
    try:
        lines = (_folder_of(target) / _JOURNAL).read_text().splitlines()[1:]
        return sum(json.loads(line)["frames"] for line in lines)
    except (OSError, ValueError, TypeError, KeyError):
        return 0


def _folder_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.tuft")


def _line(values: dict[str, object]) -> bytes:
    return json.dumps(values).encode() + b"\n"
