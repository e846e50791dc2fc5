"""Who reads a video: this process, or others that can be killed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from tuft.batch.video.isolated import IsolatedReader
from tuft.batch.video.library import opened
from tuft.batch.video.reading import examine, read_frames
from tuft.batch.video.sound import packets_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tuft.batch.video.reading import Clip, Frame
    from tuft.batch.video.sound import Heard


class Reader(Protocol):
    """Reads videos."""

    def examine(self, path: Path, *, max_pixels: int) -> Clip:
        """See `tuft.batch.video.reading.examine`."""

    def frames(self, clip: Clip, *, skip: int = 0) -> Generator[Frame, None, None]:
        """See `tuft.batch.video.reading.read_frames`."""

    def sound(self, clip: Clip) -> AbstractContextManager[Heard]:
        """The audio tracks of a clip, and their packets or decoded frames in the order of the file."""


class DirectReader:
    """Reads videos in this process."""

    def examine(self, path: Path, *, max_pixels: int) -> Clip:
        """See `Reader`."""
        return examine(path, max_pixels=max_pixels)

    def frames(self, clip: Clip, *, skip: int = 0) -> Generator[Frame, None, None]:
        """See `Reader`."""
        return read_frames(clip, skip=skip)

    @contextmanager
    def sound(self, clip: Clip) -> Iterator[Heard]:
        """See `Reader`."""
        with opened(clip.path) as container:
            yield packets_of(container)


def reader_of(*, isolated: bool) -> Reader:
    """The reader for files that are trusted, or not."""
    return IsolatedReader() if isolated else DirectReader()
