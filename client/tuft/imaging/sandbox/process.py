"""The parent's end of one decoding process, whose other end is `tuft.imaging.sandbox.worker`."""

from __future__ import annotations

import io
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from tuft.errors import ImageTooLargeError, NotAnImageError, OptionError, SetupError, TruncatedImageError, TuftError
from tuft.imaging.decoding.load import Photo

if TYPE_CHECKING:
    from collections.abc import Collection

_PLANES: Final = 4  # red, green, blue and alpha
# New memory costs ten times what copying into old does, so what 20 megapixels take is kept for the next photograph.
_KEPT_BYTES: Final = 1 << 26
_START_TIMEOUT_S: Final = 60.0
_ANSWER_BYTES: Final = 1 << 16
# What it may say that a photograph is.
_ERRORS: Final[dict[str, type[TuftError]]] = {
    kind.__name__: kind for kind in (ImageTooLargeError, NotAnImageError, OptionError, TruncatedImageError)
}
_NONSENSE: Final = (ValueError, LookupError, TypeError, ArithmeticError, RecursionError)
# What a decoder needs of this process's environment: where its libraries are, none of the secrets.
_ENVIRONMENT: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")


class DecodingProcess:
    """A process that decodes one photograph at a time, within bounds of time and memory.

    Args:
        memory_bytes: What it may take beyond what it has at its start.
        timeout_s: Seconds of computing on each core after which a photograph ends it even when this process is gone.

    Raises:
        SetupError: It does not start.
    """

    def __init__(self, memory_bytes: int, timeout_s: float) -> None:
        self._pixels: BinaryIO | None = None
        self._pixels_bytes = 0
        self._socket, theirs = socket.socketpair()
        with theirs:
            arguments = [theirs.fileno(), memory_bytes, timeout_s]
            # Spawned, not forked: a fork would inherit the locks of other threads. A session of its own: a Ctrl-C is
            # for the parent.
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-B", "-W", "ignore", "-m", "tuft.imaging.sandbox.worker", *map(str, arguments)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=_environment(),
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as exc:
                self._socket.close()
                raise _no_start(exc.strerror) from exc
        try:
            self._await_start()
        except BaseException:
            self.kill()
            raise

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._socket.close()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._forget_pixels()

    def photo(self, file: BinaryIO, name: str, *, max_pixels: int, formats: Collection[str], timeout_s: float) -> Photo:
        """The photograph in `file`; afterwards this process may have been killed.

        Args:
            file: An ordinary file, or one in memory.
            name: What errors call it.
            max_pixels: The largest width × height accepted.
            formats: Of `tuft.imaging.READABLE_FORMATS`.
            timeout_s: Seconds that it may take.

        Raises:
            ImageTooLargeError: It has more pixels, or takes more time or memory, than allowed.
            ImageError: As `tuft.imaging.load_photo` has it; or the process crashed.
        """
        request = {"name": name, "max_pixels": max_pixels, "formats": list(formats)}
        try:
            pixels, source = self._shared_pixels(max_pixels * _PLANES), _with_descriptor(file)
        except OSError as exc:
            raise SetupError(
                f"There is no shared memory to decode {name} in ({exc.strerror}): free some, or close files."
            ) from exc
        with source:
            answer = self._asked(request, [source.fileno(), pixels.fileno()], timeout_s)
        try:
            if "error" in answer:
                raise answer["error"](answer["message"])
            photo = _photo(pixels, *answer["size_hw"], has_alpha=answer["has_alpha"])
            if photo.rgb.nbytes > _KEPT_BYTES:
                self._forget_pixels()
            return photo
        finally:
            if answer["last"]:
                self.kill()

    def _shared_pixels(self, size_bytes: int) -> BinaryIO:
        """Where it may write `size_bytes`; they take no memory before it does."""
        if self._pixels is None or self._pixels_bytes != size_bytes:
            self._forget_pixels()
            self._pixels, self._pixels_bytes = _shared_memory(size_bytes), size_bytes
        return self._pixels

    def _forget_pixels(self) -> None:
        if self._pixels is not None:
            self._pixels.close()
            self._pixels = None

    def _await_start(self) -> None:
        assert self._process.stderr is not None
        try:
            started = self._line(_START_TIMEOUT_S)
        except TimeoutError as exc:
            raise _no_start(f"it says nothing for {_START_TIMEOUT_S:g} s") from exc
        if not started:
            said = self._process.stderr.read().decode(errors="replace").strip().splitlines()
            raise _no_start(said[-1] if said else "it says nothing")
        self._process.stderr.close()

    def _asked(self, request: dict[str, Any], descriptors: list[int], timeout_s: float) -> dict[str, Any]:
        """The answer to `request`; whatever goes wrong on the way ends the process."""
        name, line = request["name"], b""
        try:
            self._socket.settimeout(timeout_s)
            socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)
            line = self._line(timeout_s)
            return _checked(line, request["max_pixels"])
        except TimeoutError as exc:
            self.kill()
            raise ImageTooLargeError(
                f"{name} takes more than the {timeout_s:g} s allowed to decode: make it smaller first."
            ) from exc
        except (OSError, *_NONSENSE) as exc:
            self.kill()
            raise _crash(name, None if line else self._process.returncode) from exc
        except BaseException:  # Ctrl-C: its answer would be taken for that to the next request
            self.kill()
            raise

    def _line(self, timeout_s: float) -> bytes:
        """What it says, up to the end of a line or of the process.

        Raises:
            TimeoutError: It has not said it within `timeout_s` seconds.
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


def _no_start(reason: str | None) -> SetupError:
    return SetupError(
        f"The process that decodes does not start ({reason}): see that {sys.executable} can import tuft, or leave "
        "isolate_decoding off."
    )


def _environment() -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    # One arena for all threads: each other would reserve 64 MB of the memory allowed.
    return {**inherited, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


def _with_descriptor(file: BinaryIO) -> BinaryIO:
    """`file`, or its copy in shared memory if it is in this process's own."""
    if not isinstance(file, io.BytesIO):
        return file
    shared = _anonymous_file()
    shared.write(file.getbuffer())
    shared.flush()
    return shared


def _shared_memory(size_bytes: int) -> BinaryIO:
    """Zeros that take no memory before they are written to, and whose size nobody changes."""
    file = _anonymous_file()
    file.truncate(size_bytes)
    if sys.platform == "linux":
        import fcntl

        # A worker taken over could cut it short otherwise, and this process would die of reading it.
        fcntl.fcntl(file.fileno(), fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return file


def _anonymous_file() -> BinaryIO:
    if sys.platform == "linux":  # in memory, and not bounded by the size of /dev/shm
        return os.fdopen(os.memfd_create("tuft", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "w+b")
    return tempfile.TemporaryFile()


def _checked(line: bytes, max_pixels: int) -> dict[str, Any]:
    """The answer in `line`, which may come from hostile code; one of `_NONSENSE` is raised where it is none."""
    answer = json.loads(line)
    last = bool(answer["last"])
    if "error" in answer:
        return {"error": _ERRORS[answer["error"]], "message": str(answer["message"]), "last": last}
    height, width = map(int, answer["size_hw"])
    if not (height > 0 and width > 0 and height * width <= max_pixels):
        raise ValueError(f"{width} × {height} pixels")
    return {"size_hw": (height, width), "has_alpha": bool(answer["has_alpha"]), "last": last}


def _photo(pixels: BinaryIO, height: int, width: int, *, has_alpha: bool) -> Photo:
    """A copy of what the process has written: it may write again."""
    count = height * width
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    with mmap.mmap(pixels.fileno(), count * (_PLANES if has_alpha else _PLANES - 1), flags, mmap.PROT_READ) as shared:
        rgb = np.frombuffer(shared, np.uint8, 3 * count).reshape(height, width, 3).copy()
        alpha = np.frombuffer(shared, np.uint8, count, 3 * count).reshape(height, width).copy() if has_alpha else None
    return Photo(rgb, alpha)


def _crash(name: str, status: int | None) -> TuftError:
    """What a process that has ended with `status`, or answered nonsense (None), means for the photograph."""
    if status == -signal.SIGKILL:  # by the system: it is short of memory
        return ImageTooLargeError(f"{name} takes more memory to decode than there is: make it smaller first.")
    if status is None:
        return TruncatedImageError(f"{name} makes its decoder say nothing sensible: get it anew.")
    ended = signal.Signals(-status).name if status < 0 else f"status {status}"
    return TruncatedImageError(f"{name} is so damaged that its decoder crashes ({ended}): get it anew.")
