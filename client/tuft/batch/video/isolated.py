"""To contain unknown attacks, reads untrusted videos in sandboxed processes that can be killed.

FFmpeg sees the file only there: this process gets pixels and samples. A decoder that crashes, hangs or exhausts its
memory ends its own process and its own video.
"""

from __future__ import annotations

import math
import os
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft.batch.video.library import av
from tuft.batch.video.messages import Ended, clip_from_dict, clip_to_dict, receive_into, received, send
from tuft.batch.video.reading import Frame
from tuft.batch.video.sound import LAYOUTS, Track
from tuft.errors import ImageNotFoundError, ImageTooLargeError, SetupError, TruncatedImageError, TuftError
from tuft.imaging.sandbox.pool import MEMORY_BYTES
from tuft.imaging.sandbox.process import ERRORS, crash_error, start_failure, start_worker
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

    from av import AudioFrame
    from numpy.typing import NDArray

    from tuft.batch.video.reading import Clip

_ERRORS: Final = {**ERRORS, ImageNotFoundError.__name__: ImageNotFoundError}
_START_TIMEOUT_S: Final = 60.0
_NONSENSE: Final = (ValueError, LookupError, TypeError, ArithmeticError, RecursionError)
_MOST_SAMPLES: Final = 1 << 20
_MOST_TRACKS: Final = 64
_MOST_HERTZ: Final = 1 << 20


@dataclass(frozen=True)
class IsolatedReader:
    """Reads videos as `tuft.batch.video.readers.Reader` says, in a process of its own for each part of the work.

    Attributes:
        timeout_s: Seconds within which a file is examined, and the next frame decoded.
        memory_bytes: The memory limit of a process, beyond what it takes at its start; enforced on Linux.
    """

    timeout_s: float = 60.0
    memory_bytes: int = MEMORY_BYTES

    def examine(self, path: Path, *, max_pixels: int) -> Clip:
        """See `tuft.batch.video.reading.examine`.

        Raises:
            ImageTooLargeError: Also if it takes more time or memory than allowed.
            TruncatedImageError: Also if the decoder crashes.
            SetupError: No process starts.
        """
        with self._asked(path, {"ask": "examine", "max_pixels": max_pixels}) as worker:
            answer = worker.answer()
            with worker.sense():
                assert answer is not None
                return clip_from_dict(path, answer["clip"], max_pixels)

    def frames(self, clip: Clip, *, skip: int = 0) -> Generator[Frame, None, None]:
        """See `tuft.batch.video.reading.read_frames`, and `examine` for further errors."""
        height, width = clip.size_hw
        shape = (height, width, 4 if clip.has_alpha else 3)
        request = {"ask": "frames", "clip": clip_to_dict(clip), "max_pixels": height * width, "skip": skip}
        index, latest = skip, -1
        with self._asked(clip.path, request) as worker:
            while (answer := worker.answer()) is not None:
                if "skipped" in answer and index == skip:
                    continue
                with worker.sense():
                    time, duration = int(answer["time"]), int(answer["duration"])
                    if answer["index"] != index or time <= latest or duration < 0 or tuple(answer["shape"]) != shape:
                        raise ValueError(f"frame {answer}")
                pixels = worker.content(np.empty(shape, np.uint8))
                yield Frame(index, time, duration, pixels)
                index, latest = index + 1, time

    @contextmanager
    def sound(self, clip: Clip) -> Iterator[tuple[Mapping[int, Track], Iterator[tuple[int, AudioFrame]]]]:
        """See `tuft.batch.video.readers.Reader.sound`: decoded, since packets could harm who carries them on."""
        with self._asked(clip.path, {"ask": "sound"}) as worker:
            answer = worker.answer()
            with worker.sense():
                assert answer is not None
                tracks = [_track(each) for each in answer["tracks"]]
                if len(tracks) > _MOST_TRACKS:
                    raise ValueError(f"{len(tracks)} tracks")
            yield dict(enumerate(tracks)), _samples(worker, tracks)

    @contextmanager
    def _asked(self, path: Path, request: dict[str, Any]) -> Iterator[_Worker]:
        worker = _Worker(path, self.memory_bytes, self.timeout_s)
        try:
            worker.ask(request)
            yield worker
        finally:
            worker.kill()


class _Worker:
    """A process that reads one video."""

    def __init__(self, path: Path, memory_bytes: int, timeout_s: float) -> None:
        self._path, self._timeout_s = path, timeout_s
        if not hasattr(socket, "send_fds"):
            raise SetupError("This system has no Unix sockets for decoding apart: leave isolate_decoding off.")
        av()
        self._process, self._socket = start_worker(
            "tuft.batch.video.worker", memory_bytes, timeout_s, stderr=subprocess.DEVNULL
        )
        try:
            received(self._socket, _START_TIMEOUT_S)
        except (Ended, OSError, *_NONSENSE) as exc:
            self.kill()
            raise start_failure("it says nothing") from exc

    def ask(self, request: dict[str, Any]) -> None:
        with self._errors():
            self._socket.settimeout(self._timeout_s)
            send(self._socket, {**request, "path": os.fspath(self._path.absolute())})

    def answer(self) -> dict[str, Any] | None:
        """The next answer; None at the end.

        Raises:
            TuftError: The process reports it, or has crashed, or takes too long.
        """
        with self._errors():
            answer = received(self._socket, self._timeout_s)
            if "error" in answer:
                kind, text = _ERRORS[answer["error"]], str(answer["message"])
            elif "end" in answer:
                return None
            else:
                return answer
        raise kind(shown(text.replace(str(self._path.absolute()), str(self._path))))

    def content(self, array: NDArray[Any]) -> NDArray[Any]:
        """`array`, filled with what follows an answer."""
        with self._errors():
            receive_into(self._socket, array, self._timeout_s)
        return array

    @contextmanager
    def sense(self) -> Iterator[None]:
        """Inside, an answer is checked: one without sense is told as such."""
        try:
            yield
        except (AssertionError, *_NONSENSE) as exc:
            raise crash_error(shown(self._path), None) from exc

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with self.sense():
                yield
        except TimeoutError as exc:
            limit = f"the {self._timeout_s:g} s allowed to decode"
            raise ImageTooLargeError(f"{shown(self._path)} takes more than {limit}: make it smaller first.") from exc
        except (Ended, OSError) as exc:
            raise self._crash() from exc

    def _crash(self) -> TuftError:
        try:
            status = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return crash_error(shown(self._path), None)
        if status == 0:
            return TruncatedImageError(f"{shown(self._path)} makes its decoder end early: get it anew.")
        return crash_error(shown(self._path), status)


def _track(values: Mapping[str, Any]) -> Track:
    rate, layout = int(values["rate"]), values["layout"]
    if layout not in LAYOUTS or not 0 < rate <= _MOST_HERTZ:
        raise ValueError(f"sound {values}")
    return Track(None, "pcm", rate, layout)


def _samples(worker: _Worker, tracks: list[Track]) -> Iterator[tuple[int, AudioFrame]]:
    """Frames of interleaved float32 with the number of their track."""
    while (answer := worker.answer()) is not None:
        with worker.sense():
            number, count = int(answer["track"]), int(answer["samples"])
            track, time = tracks[number], answer["time"]
            seconds = None if time is None else Fraction(str(time))
            if number < 0 or not 0 < count <= _MOST_SAMPLES or not math.isfinite(float(seconds or 0)):
                raise ValueError(f"samples {answer}")
        content = worker.content(np.empty((1, count * (LAYOUTS.index(track.layout) + 1)), np.float32))
        frame = av().AudioFrame.from_ndarray(content, "flt", track.layout)
        frame.sample_rate, frame.time_base = track.rate, Fraction(1, track.rate)
        frame.pts = None if seconds is None else round(seconds * track.rate)
        yield number, frame
