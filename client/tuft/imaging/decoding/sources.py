"""Opens paths, bytes and binary files as a binary file, and limits how much of it is read."""

from __future__ import annotations

import io
import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

from tuft.errors import ImageTooLargeError, NotAnImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

FileSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

_BLOCK_BYTES: Final = 1 << 20


def name_of(source: object) -> str:
    """The name of `source` in error messages: its path, if it is one."""
    return str(Path(source)) if isinstance(source, str | os.PathLike) else "The picture given"


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
    file = _file(source, max_bytes)
    with file:
        if not file.read(1):
            raise NotAnImageError(f"{name_of(source)} is empty: give a picture.")
        file.seek(0)
        yield file


def _file(source: FileSource, max_bytes: int) -> BinaryIO:
    if isinstance(source, str | os.PathLike):
        return _file_at(source, max_bytes)
    if isinstance(source, bytes | bytearray | memoryview):
        _check_bytes(memoryview(source).nbytes, max_bytes, name_of(source))
        return io.BytesIO(source)
    return _content(source, max_bytes, name_of(source))


def _file_at(path: str | os.PathLike[str], max_bytes: int) -> BinaryIO:
    name = name_of(path)
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
    if not callable(getattr(stream, "read", None)):
        raise _no_picture(stream)
    content = io.BytesIO()
    while block := stream.read(_BLOCK_BYTES):
        if not isinstance(block, bytes | bytearray):
            raise _no_picture(stream)
        content.write(block)
        _check_bytes(content.tell(), max_bytes, name)
    content.seek(0)
    return content


def _no_picture(source: object) -> NotAnImageError:
    return NotAnImageError(
        f"A {type(source).__name__} is no picture: give a path, bytes, a file opened as 'rb', a PIL image or an array."
    )


def _check_bytes(count: int, max_bytes: int, name: str) -> None:
    if count > max_bytes:
        raise ImageTooLargeError(
            f"{name} has more than the {max_bytes} bytes allowed: make it smaller, or raise max_bytes."
        )
