"""Photographs decoded in processes of their own that can be killed: for what strangers send.

A decoder that crashes, hangs or wants all the memory takes down its own process, and costs its own photograph. Files go
there and pixels come back as shared memory without a name: nothing goes through a pipe, nothing stays behind.
"""

from __future__ import annotations

import math
import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tuft.errors import OptionError, SetupError
from tuft.imaging.decoding.load import MAX_BYTES, MAX_PIXELS, READABLE_FORMATS, Photo, decoding_errors, load_photo
from tuft.imaging.decoding.sources import name_of, opened
from tuft.imaging.pixels import THREADS
from tuft.imaging.sandbox.process import DecodingProcess

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tuft.imaging.decoding.load import ImageSource


class IsolatedDecoder:
    """Does what `tuft.imaging.load_photo` does, for files in other processes; usable from many threads at once.

    A worker is started when it is first needed (half a second), and anew after it has been killed. Arrays and PIL
    images are in this process already, and are taken as they are. A worker takes 70 MB, and up to 64 MiB of shared
    memory.

    Args:
        workers: How many photographs may be decoded at the same time; others wait.
        timeout_s: Seconds above 0 that one may take.
        memory_bytes: What decoding one may take beyond what a worker has at its start; bounded on Linux.

    Raises:
        OptionError: An argument is out of its range.
        SetupError: This system cannot hand descriptors to other processes, as Windows cannot.
    """

    def __init__(self, *, workers: int = THREADS, timeout_s: float = 30.0, memory_bytes: int = 3 * 2**30) -> None:
        if not (workers >= 1 and 0 < timeout_s < math.inf and memory_bytes >= 1):
            raise OptionError(
                f"{workers} workers with {timeout_s} s and {memory_bytes} bytes decode nothing: give numbers above 0."
            )
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
        """The photograph in `source`, as `tuft.imaging.load_photo` gives it.

        Raises:
            ImageTooLargeError: As there, and when it takes more time or memory than allowed.
            TruncatedImageError: As there, and when its decoder crashes.
            SetupError: No worker starts, or this decoder has been closed.
        """
        if isinstance(source, np.ndarray | Image.Image):
            return load_photo(source, max_pixels=max_pixels)
        name = name_of(source)
        with ExitStack() as stack:
            with decoding_errors(name, formats):
                file = stack.enter_context(opened(source, max_bytes))
            worker = stack.enter_context(self._worker())
            return worker.photo(file, name, max_pixels=max_pixels, formats=formats, timeout_s=self._timeout_s)

    def close(self) -> None:
        """Ends the workers, those that decode when they have done so."""
        self._closed = True
        while (worker := self._idle_worker()) is not None:
            worker.kill()

    def __enter__(self) -> IsolatedDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
                if self._closed:  # in the meantime
                    self.close()

    def _idle_worker(self) -> DecodingProcess | None:
        """One that lives and waits, the last used first."""
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                return None
            if worker.is_alive():
                return worker
            worker.kill()
