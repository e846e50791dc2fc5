"""Opens paths, bytes and binary files as a binary file, and limits how much of it is read."""

from __future__ import annotations

import io
import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

from tuft.errors import ImageTooLargeError, NotAnImageError
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

FileSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

_BLOCK_BYTES: Final = 1 << 20
# A URL of the web or of data, of which a path with a drive letter is none.
_ADDRESS: Final = re.compile(r"(?:[a-z][a-z0-9+.-]+:/{1,2}|data:)", re.IGNORECASE)


def name_of(source: object) -> str:
    """The name of `source` in error messages: its path, if it is one."""
    return shown(Path(source)) if isinstance(source, str | os.PathLike) else "The picture given"


@contextmanager
def opened(source: FileSource, max_bytes: int) -> Iterator[BinaryIO]:
    """Opens `source` as a binary file at its start and closes it afterwards; the caller's own files are left open.

    Args:
        source: Path, bytes or binary file.
        max_bytes: The largest size. Larger regular files and bytes are not read at all; of a stream or a pipe at most
            one block more is read.

    Raises:
        NotAnImageError: It is empty, or not readable as bytes.
        ImageTooLargeError: It has more than `max_bytes`.
    """
    at_end = _is_at_its_end(source)
    file = _file(source, max_bytes)
    with file:
        if not file.read(1):
            remedy = "has been read to its end: rewind it with seek(0)" if at_end else "is empty: give a picture"
            raise NotAnImageError(f"{name_of(source)} {remedy}.")
        file.seek(0)
        yield file


def _is_at_its_end(source: FileSource) -> bool:
    """Whether `source` is a file that has bytes, but only before its position."""
    try:
        return not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) and source.tell() > 0
    except (OSError, ValueError, AttributeError):  # a pipe, a closed file, or something that is no file
        return False


def _file(source: FileSource, max_bytes: int) -> BinaryIO:
    if isinstance(source, str | os.PathLike):
        return _file_at(source, max_bytes)
    if isinstance(source, bytes | bytearray | memoryview):
        _check_bytes(memoryview(source).nbytes, max_bytes, name_of(source))
        return io.BytesIO(source)
    return _content(source, max_bytes, name_of(source))


def _file_at(path: str | os.PathLike[str], max_bytes: int) -> BinaryIO:
    name = name_of(path)
    if _ADDRESS.match(os.fspath(path)):
        remedy = "fetch it first, and give what it holds as bytes"
        if os.fspath(path)[:5].lower() == "data:":
            remedy = "give the bytes that base64.b64decode makes of what is behind its comma"
        raise NotAnImageError(f"{shown(os.fspath(path), 80)} is an address, and no path: {remedy}.")
    try:
        file: BinaryIO = Path(path).open("rb")  # noqa: SIM115 - `opened` closes it
    except ValueError as exc:
        raise NotAnImageError(f"{name!r} is not a valid path: check it.") from exc
    try:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode):
            _check_bytes(status.st_size, max_bytes, name)
            return file
        content = _content(file, max_bytes, name)  # the size of a pipe or a device is unknown
    except BaseException:
        file.close()
        raise
    file.close()
    return content


def _content(stream: BinaryIO, max_bytes: int, name: str) -> io.BytesIO:
    """The rest of `stream`."""
    _require_readable(stream)
    content = io.BytesIO()
    try:
        while block := stream.read(_BLOCK_BYTES):
            if not isinstance(block, bytes | bytearray):
                raise _opened_as_text(stream)
            content.write(block)
            _check_bytes(content.tell(), max_bytes, name)
    except UnicodeDecodeError as exc:  # a wrapper around a text file
        raise _opened_as_text(stream) from exc
    except io.UnsupportedOperation as exc:
        raise NotAnImageError(f"This {type(stream).__name__} is open for writing alone: open it as 'rb'.") from exc
    content.seek(0)
    return content


def _require_readable(stream: object) -> None:
    """Checks that `stream` is a file that gives bytes, before it is blamed for not being a picture."""
    if not callable(getattr(stream, "read", None)):
        raise _no_picture(stream)
    if isinstance(stream, io.TextIOBase):
        raise _opened_as_text(stream)
    if getattr(stream, "closed", False):
        raise NotAnImageError(f"This {type(stream).__name__} is closed: pass it on before it is closed, or its path.")


def _opened_as_text(stream: object) -> NotAnImageError:
    return NotAnImageError(f"This {type(stream).__name__} gives text, not bytes: open it as 'rb', or give its path.")


def _no_picture(source: object) -> NotAnImageError:
    return NotAnImageError(
        f"A {type(source).__name__} is no picture: give a path, bytes, a file opened as 'rb', a PIL image or an array."
    )


def _check_bytes(count: int, max_bytes: int, name: str) -> None:
    if count > max_bytes:
        raise ImageTooLargeError(
            f"{name} has more than the {max_bytes} bytes allowed: make it smaller, or raise max_bytes."
        )
