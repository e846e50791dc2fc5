"""Replaces files as a whole, and leaves what they are: their links, their rights, and devices and pipes as such.

Only the standard library is imported, see `tuft.files`, which turns the errors into tuft's.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from io import FileIO

_TRIED_BYTES: Final = 1 << 16
_MOST_LINKS: Final = 40  # as many as Linux follows
_STANDARD: Final = {"stdin": 0, "stdout": 1, "stderr": 2}
_DESCRIPTOR: Final = re.compile(r"/dev/(?P<name>stdin|stdout|stderr)|(?:/dev|/proc/self)/fd/(?P<number>\d{1,9})")
# Why a file cannot be replaced though it may be writable: its folder or its owner, or it is a mount point.
_IRREPLACEABLE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV})


def descriptor_of(path: str | os.PathLike[str]) -> int | None:
    """The descriptor that `/dev/stdout`, `/dev/fd/3`, `/proc/self/fd/3` or a link to one stands for; None for others.

    Such a path has to be written through the descriptor: opened by name, a file that a shell has opened for appending
    would be truncated, and replaced, the shell's other output would be lost.
    """
    name = os.fspath(path)
    for _ in range(_MOST_LINKS):
        match = _DESCRIPTOR.fullmatch(name)
        if match is not None:
            return _STANDARD[match["name"]] if match["name"] else int(match["number"])
        try:
            name = os.path.join(os.path.dirname(name), os.readlink(name))  # noqa: PTH115, PTH118, PTH120 - bare names
        except (OSError, ValueError):
            break
    return None


def replace_contents(path: Path, data: bytes) -> None:
    """Writes `data` to `path`; `tuft.files.write_atomically` describes how.

    Raises:
        OSError: It cannot be written.
        ValueError: The path has a null byte.
    """
    descriptor = descriptor_of(path)
    if descriptor is not None:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        return
    status = _status(path)
    target = Path(os.path.realpath(path))
    if status is None:
        _replace(target, data, None)
    elif not stat.S_ISREG(status.st_mode):
        with path.open("wb") as file:
            file.write(data)
    elif status.st_nlink > 1:
        _overwrite(target, data)
    else:
        _require_access(target)
        try:
            _replace(target, data, status)
        except OSError as exc:
            if exc.errno not in _IRREPLACEABLE:
                raise
            _overwrite(target, data)


def _status(path: Path) -> os.stat_result | None:
    """The status of the file at `path`, links followed; None if there is none."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _require_access(path: Path) -> None:
    effective = os.access in os.supports_effective_ids
    if not os.access(path, os.W_OK, effective_ids=effective):
        raise PermissionError(errno.EACCES, "it is read-only", str(path))


def _replace(target: Path, data: bytes, old: os.stat_result | None) -> None:
    """Renames a complete temporary file to `target`, with the rights of the `old` file."""
    temporary = temporary_in(target.parent)
    try:
        with open(temporary, "xb", opener=None if old is None else _private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if old is not None:
            _take_over_rights(target, temporary, old)
        temporary.replace(target)
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


def temporary_in(folder: Path) -> Path:
    """A new name in `folder` for a file that is soon renamed or deleted."""
    return folder / f".tuft-{secrets.token_hex(8)}.part"


def _private(name: str, flags: int) -> int:
    """Opens a file that only its owner may read until it has the rights of the file that it replaces."""
    return os.open(name, flags, 0o600)


def _take_over_rights(source: Path, target: Path, old: os.stat_result) -> None:
    """Gives `target` the owner, permissions, access list and attributes of `source`.

    Raises:
        PermissionError: The owner cannot be set by this user.
    """
    made = target.stat()
    if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):  # all zero on Windows
        os.chown(target, old.st_uid, old.st_gid)
    shutil.copystat(source, target)
    os.utime(target)


def _overwrite(path: Path, data: bytes) -> None:
    with path.open("r+b", buffering=0) as file:
        old = file.readall()
        try:
            _write_from_start(file, data)
        except OSError:
            with suppress(OSError):
                _write_from_start(file, old)
            raise


def _write_from_start(file: FileIO, data: bytes) -> None:
    file.seek(0)
    _write_all(file, data)
    file.truncate()
    os.fsync(file.fileno())


def _write_all(file: FileIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def folder_to_write(path: Path) -> Path | None:
    """The folder in which a file is made when `path` is written; None if none needs to be made.

    Raises:
        OSError: `path` cannot be written.
    """
    if descriptor_of(path) is not None:
        return None
    status = _status(path)
    if status is None:
        return nearest_folder(Path(os.path.realpath(path)).parent)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    _require_access(path)
    return None


def nearest_folder(folder: Path) -> Path:
    """`folder`, or the nearest one above it that exists.

    Raises:
        NotADirectoryError: The path leads through a file.
    """
    while (status := _status(folder)) is None and folder != folder.parent:
        folder = folder.parent
    if status is None or not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    return folder


def try_folder(folder: Path) -> None:
    """Makes a small file in `folder` and deletes it: permissions alone do not tell of full disks and read-only ones.

    Raises:
        OSError: No file can be made.
    """
    temporary = temporary_in(folder)
    try:
        with temporary.open("xb") as file:
            file.write(bytes(_TRIED_BYTES))
            file.flush()
            os.fsync(file.fileno())
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
