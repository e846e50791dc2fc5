"""One decoding process, seen from its parent; the process itself runs `tuft.imaging.sandbox.worker`."""

from __future__ import annotations

import io
import json
import math
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from tuft.errors import ImageTooLargeError, NotAnImageError, OptionError, SetupError, TruncatedImageError, TuftError
from tuft.imaging.decoding.frames import Frames
from tuft.imaging.decoding.load import Photo

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

_PLANES: Final = 4  # red, green, blue and alpha
# Fresh memory costs ten times as much as copying into used memory, so a buffer of up to 20 megapixels is reused.
_KEPT_BYTES: Final = 1 << 26
_START_TIMEOUT_S: Final = 60.0
_ANSWER_BYTES: Final = 1 << 16
# The errors that a worker may report.
ERRORS: Final[dict[str, type[TuftError]]] = {
    kind.__name__: kind for kind in (ImageTooLargeError, NotAnImageError, OptionError, TruncatedImageError)
}
_NONSENSE: Final = (ValueError, LookupError, TypeError, ArithmeticError, RecursionError)
# The environment variables that a worker inherits: the paths of libraries, but no secrets.
_ENVIRONMENT: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")


class DecodingProcess:
    """A process that decodes one photograph at a time, within limits of time and memory.

    Args:
        memory_bytes: The memory limit for decoding, beyond what the process takes at its start.
        timeout_s: CPU seconds per core after which the process ends itself, even if its parent has died.

    Raises:
        SetupError: The process does not start.
    """

    def __init__(self, memory_bytes: int, timeout_s: float) -> None:
        self._pixels: BinaryIO | None = None
        self._pixels_bytes = 0
        self._process, self._socket = start_worker(
            "tuft.imaging.sandbox.worker", memory_bytes, timeout_s, stderr=subprocess.PIPE
        )
        try:
            self._wait_until_started()
        except BaseException:
            self.kill()
            raise

    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kills the process."""
        self._process.kill()
        self._process.wait()
        self._socket.close()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._release_pixels()

    def photo(self, file: BinaryIO, name: str, *, max_pixels: int, formats: Collection[str], timeout_s: float) -> Photo:
        """Decodes the photograph in `file`; afterwards the process may have been killed.

        Args:
            file: A regular file, or a `BytesIO`.
            name: Its name in error messages.
            max_pixels: The largest width × height accepted.
            formats: The accepted formats, of `tuft.imaging.READABLE_FORMATS`.
            timeout_s: The time limit in seconds.

        Raises:
            ImageTooLargeError: It has too many pixels, or takes too much time or memory.
            ImageError: See `tuft.imaging.load_photo`; or the process crashed.
        """
        request = {"name": name, "max_pixels": max_pixels, "formats": list(formats), "frames": False}
        (photo,), answer = self._decoded(file, request, timeout_s)
        return replace(photo, animated=answer["animated"])

    def frames(
        self, file: BinaryIO, name: str, *, max_pixels: int, formats: Collection[str], timeout_s: float
    ) -> Frames:
        """Decodes all frames of the animation in `file`, see `photo`; `max_pixels` is for all frames together."""
        request = {"name": name, "max_pixels": max_pixels, "formats": list(formats), "frames": True}
        photos, answer = self._decoded(file, request, timeout_s)
        return Frames(photos, answer["durations_ms"], answer["plays"])

    def _decoded(
        self, file: BinaryIO, request: dict[str, Any], timeout_s: float
    ) -> tuple[tuple[Photo, ...], dict[str, Any]]:
        try:
            pixels, source = self._shared_pixels(request["max_pixels"] * _PLANES), _with_descriptor(file)
        except OSError as exc:
            raise SetupError(
                f"There is no shared memory to decode {request['name']} in ({exc.strerror}): free some, or close files."
            ) from exc
        with source:
            answer = self._exchange(request, [source.fileno(), pixels.fileno()], timeout_s)
        try:
            if "error" in answer:
                raise answer["error"](answer["message"])
            photos = _photos(pixels, answer)
            if sum(photo.rgb.nbytes for photo in photos) > _KEPT_BYTES:
                self._release_pixels()
            return photos, answer
        finally:
            if answer["last"]:
                self.kill()

    def _shared_pixels(self, size_bytes: int) -> BinaryIO:
        """The buffer for `size_bytes` of pixels; it takes no memory before the worker writes to it."""
        if self._pixels is None or self._pixels_bytes != size_bytes:
            self._release_pixels()
            self._pixels, self._pixels_bytes = _shared_memory(size_bytes), size_bytes
        return self._pixels

    def _release_pixels(self) -> None:
        if self._pixels is not None:
            self._pixels.close()
            self._pixels = None

    def _wait_until_started(self) -> None:
        assert self._process.stderr is not None
        try:
            started = self._line(_START_TIMEOUT_S)
        except TimeoutError as exc:
            raise start_failure(f"it says nothing for {_START_TIMEOUT_S:g} s") from exc
        if not started:
            said = self._process.stderr.read().decode(errors="replace").strip().splitlines()
            raise start_failure(said[-1] if said else "it says nothing")
        self._process.stderr.close()

    def _exchange(self, request: dict[str, Any], descriptors: list[int], timeout_s: float) -> dict[str, Any]:
        """Sends `request` and returns the answer; kills the process if anything goes wrong."""
        name, line = request["name"], b""
        try:
            self._socket.settimeout(timeout_s)
            socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)
            line = self._line(timeout_s)
            return _checked(line, request["max_pixels"], frames=request["frames"])
        except TimeoutError as exc:
            self.kill()
            raise ImageTooLargeError(
                f"{name} takes more than the {timeout_s:g} s allowed to decode: make it smaller first."
            ) from exc
        except (OSError, *_NONSENSE) as exc:
            self.kill()
            raise crash_error(name, None if line else self._process.returncode) from exc
        except BaseException:  # Ctrl-C: its answer would be mistaken for the next one
            self.kill()
            raise

    def _line(self, timeout_s: float) -> bytes:
        """Reads a line from the process; the line is incomplete if the process ends.

        Raises:
            TimeoutError: The line did not arrive within `timeout_s` seconds.
        """
        deadline_s = time.monotonic() + timeout_s
        said = b""
        while not said.endswith(b"\n") and len(said) < _ANSWER_BYTES:
            self._socket.settimeout(max(deadline_s - time.monotonic(), 0.001))
            block = self._socket.recv(_ANSWER_BYTES)
            if not block:
                break
            said += block
        return said


def start_worker(module: str, *limits: float, stderr: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Starts a worker.

    Args:
        module: What it runs, with the number of its socket and `limits` as arguments.
        limits: Of memory in bytes and of time in seconds.
        stderr: Where its messages go, as for `subprocess.Popen`.

    Returns:
        The process, and this end of its socket.

    Raises:
        SetupError: It does not start.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        # Spawned, since a forked process would inherit locks held by other threads. It has a session of its own, so
        # that Ctrl-C reaches only the parent.
        try:
            process = subprocess.Popen(
                [sys.executable, "-B", "-W", "ignore", "-m", module, *map(str, (theirs.fileno(), *limits))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=worker_environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as exc:
            ours.close()
            raise start_failure(exc.strerror) from exc
    return process, ours


def start_failure(reason: str | None) -> SetupError:
    """The error for a worker that does not start."""
    return SetupError(
        f"The process that decodes does not start ({reason}): see that {sys.executable} can import tuft, or leave "
        "isolate_decoding off."
    )


def worker_environment() -> dict[str, str]:
    """The environment variables of a worker."""
    inherited = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    # One malloc arena for all threads: each further arena would reserve 64 MB of the allowed memory.
    return {**inherited, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


def _with_descriptor(file: BinaryIO) -> BinaryIO:
    """`file`, or a copy in shared memory if it is a `BytesIO`."""
    if not isinstance(file, io.BytesIO):
        return file
    shared = _anonymous_file()
    shared.write(file.getbuffer())
    shared.flush()
    return shared


def _shared_memory(size_bytes: int) -> BinaryIO:
    """A file of zeros of fixed size, which takes no memory before it is written to."""
    file = _anonymous_file()
    file.truncate(size_bytes)
    if sys.platform == "linux":
        import fcntl

        # Otherwise a compromised worker could truncate the file, and reading it would crash this process (SIGBUS).
        fcntl.fcntl(file.fileno(), fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return file


def _anonymous_file() -> BinaryIO:
    if sys.platform == "linux":  # in memory, and not limited by the size of /dev/shm
        return os.fdopen(os.memfd_create("tuft", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "w+b")
    return tempfile.TemporaryFile()


def _checked(line: bytes, max_pixels: int, *, frames: bool) -> dict[str, Any]:
    """Parses and validates `line`, which may come from hostile code; raises one of `_NONSENSE` if it is invalid."""
    answer = json.loads(line)
    last = bool(answer["last"])
    if "error" in answer:
        return {"error": ERRORS[answer["error"]], "message": str(answer["message"]), "last": last}
    height, width = map(int, answer["size_hw"])
    have_alpha = [bool(has) for has in answer["have_alpha"]]
    backdrops = [min(max(int(level), 0), 255) for level in answer["backdrops"]]
    if not (height > 0 and width > 0 and have_alpha and len(have_alpha) * height * width <= max_pixels):
        raise ValueError(f"{len(have_alpha)} times {width} × {height} pixels")
    checked = {"size_hw": (height, width), "pictures": list(zip(have_alpha, backdrops, strict=True)), "last": last}
    if not frames:
        (_,) = have_alpha
        return {**checked, "animated": bool(answer["animated"])}
    durations_ms = tuple(max(int(duration), 0) for duration in answer["durations_ms"])
    if len(durations_ms) != len(have_alpha):
        raise ValueError(f"{len(durations_ms)} durations")
    return {**checked, "durations_ms": durations_ms, "plays": max(int(answer["plays"]), 0)}


def _photos(pixels: BinaryIO, answer: dict[str, Any]) -> tuple[Photo, ...]:
    """Copies the pixels, since the process may overwrite them."""
    (height, width), pictures = answer["size_hw"], answer["pictures"]
    planes = sum(_PLANES if has_alpha else _PLANES - 1 for has_alpha, _ in pictures)
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    photos, place = [], 0
    with mmap.mmap(pixels.fileno(), planes * height * width, flags, mmap.PROT_READ) as shared:

        def copied(*shape: int) -> NDArray[np.uint8]:
            nonlocal place
            plane = np.frombuffer(shared, np.uint8, math.prod(shape), place).reshape(shape).copy()
            place += plane.nbytes
            return plane

        for has_alpha, backdrop in pictures:
            rgb = copied(height, width, 3)
            photos.append(Photo(rgb, copied(height, width) if has_alpha else None, backdrop))
    return tuple(photos)


def crash_error(name: str, status: int | None) -> TuftError:
    """The error for a file whose process has ended with `status`, or given an invalid answer (None)."""
    if status == -signal.SIGKILL:  # by the out-of-memory killer
        return ImageTooLargeError(f"{name} takes more memory to decode than there is: make it smaller first.")
    if status is None:
        return TruncatedImageError(f"{name} makes its decoder say nothing sensible: get it anew.")
    ended = signal.Signals(-status).name if status < 0 else f"status {status}"
    return TruncatedImageError(f"{name} is so damaged that its decoder crashes ({ended}): get it anew.")
