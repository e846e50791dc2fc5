"""To contain unknown attacks, decodes untrusted photographs in sandboxed processes that can be killed.

A decoder that crashes, hangs or exhausts its memory affects only its own process and its own photograph. Files are
passed as descriptors and pixels return in anonymous shared memory, so that nothing is left behind.
"""

from __future__ import annotations

import math
import socket
import threading
from contextlib import ExitStack, contextmanager
from numbers import Real
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from tuft.errors import OptionError, SetupError
from tuft.imaging.decoding.formats import READABLE_FORMATS
from tuft.imaging.decoding.frames import Frames, load_frames
from tuft.imaging.decoding.load import MAX_BYTES, MAX_PIXELS, Photo, decoding_errors, load_photo
from tuft.imaging.decoding.sources import FileSource, name_of, opened
from tuft.imaging.pixels import THREADS
from tuft.imaging.sandbox.process import DecodingProcess
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import BinaryIO

    from tuft.imaging.decoding.load import ImageSource

# For the largest photograph that is allowed by default, in any format and turned upright.
MEMORY_BYTES: Final = 3 * 2**30


class IsolatedDecoder:
    """A drop-in for `tuft.imaging.load_photo` that decodes files in other processes; thread-safe.

    Workers start on demand (half a second) and are replaced after they have been killed. Arrays, PIL images and
    decoded photos are already in this process and are not sent to a worker. A worker takes 70 MB, and up to 64 MiB of
    shared memory.

    Args:
        workers: The number of photographs that may be decoded at the same time; others wait.
        timeout_s: The time limit for one photograph in seconds, above 0.
        memory_bytes: The memory limit for one photograph, beyond what a worker takes at its start; enforced on Linux.

    Raises:
        OptionError: An argument is out of range.
        SetupError: This system cannot pass descriptors to other processes, for example Windows.
    """

    def __init__(self, *, workers: int = THREADS, timeout_s: float = 30.0, memory_bytes: int = MEMORY_BYTES) -> None:
        numbers = all(isinstance(number, Real) for number in (workers, timeout_s, memory_bytes))
        if not (numbers and workers >= 1 and 0 < timeout_s < math.inf and memory_bytes >= 1):
            given = shown(f"{workers!r} workers with {timeout_s!r} s and {memory_bytes!r} bytes")
            raise OptionError(f"{given} decode nothing: give numbers above 0.")
        if not hasattr(socket, "send_fds"):
            raise SetupError("This system has no Unix sockets for decoding apart: leave isolate_decoding off.")
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._permits = threading.Semaphore(workers)
        self._idle: list[DecodingProcess] = []
        self._closed = False

    def __call__(
        self,
        source: ImageSource,
        *,
        max_pixels: int = MAX_PIXELS,
        max_bytes: int = MAX_BYTES,
        formats: Collection[str] = READABLE_FORMATS,
    ) -> Photo:
        """Reads a photograph, see `tuft.imaging.load_photo` for arguments and errors.

        Raises:
            ImageTooLargeError: Also if decoding exceeds the time or memory limit.
            TruncatedImageError: Also if the decoder crashes.
            SetupError: No worker starts, or this decoder has been closed.
        """
        if isinstance(source, np.ndarray | Image.Image | Photo):
            return load_photo(source, max_pixels=max_pixels)
        with self._ready(source, max_pixels, max_bytes) as (worker, file, name):
            return worker.photo(file, name, max_pixels=max_pixels, formats=formats, timeout_s=self._timeout_s)

    def frames(
        self,
        source: ImageSource,
        *,
        max_pixels: int = MAX_PIXELS,
        max_bytes: int = MAX_BYTES,
        formats: Collection[str] = READABLE_FORMATS,
    ) -> Frames:
        """Reads all frames of an animation, see `tuft.imaging.load_frames`, and `__call__` for further errors."""
        if isinstance(source, np.ndarray | Image.Image | Photo):
            return load_frames(source, max_pixels=max_pixels)
        with self._ready(source, max_pixels, max_bytes) as (worker, file, name):
            return worker.frames(file, name, max_pixels=max_pixels, formats=formats, timeout_s=self._timeout_s)

    def close(self) -> None:
        """Stops the workers; busy ones finish their photograph first."""
        self._closed = True
        while (worker := self._idle_worker()) is not None:
            worker.kill()

    def __enter__(self) -> IsolatedDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _ready(
        self, source: FileSource, max_pixels: int, max_bytes: int
    ) -> Iterator[tuple[DecodingProcess, BinaryIO, str]]:
        """A worker, the open file that it is to decode, and its name."""
        name = name_of(source)
        with ExitStack() as stack:
            with decoding_errors(name, max_pixels):
                file = stack.enter_context(opened(source, max_bytes))
            yield stack.enter_context(self._worker()), file, name

    @contextmanager
    def _worker(self) -> Iterator[DecodingProcess]:
        with self._permits:
            if self._closed:
                raise SetupError("This decoder has been closed: make a new one.")
            worker = self._idle_worker() or DecodingProcess(self._memory_bytes, self._timeout_s)
            try:
                yield worker
            finally:
                self._idle.append(worker)
                if self._closed:  # while this worker was busy
                    self.close()

    def _idle_worker(self) -> DecodingProcess | None:
        """An idle worker that is alive, the most recently used first."""
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                return None
            if worker.is_alive():
                return worker
            worker.kill()
