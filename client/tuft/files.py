"""Writing, appending to and hashing files, and the folders that tuft uses.

At module level only the standard library is imported: `deploy/verify.py` runs where nothing else is installed.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.errors import OptionError, OutputError
from tuft.replacing import descriptor_of, folder_to_write, nearest_folder, replace_contents, temporary_in, try_folder
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import BinaryIO

__all__ = [
    "append_lines",
    "cache_folder",
    "cannot_be_written",
    "config_folder",
    "descriptor_of",
    "ends_all_writing",
    "file_hash",
    "ignores_case",
    "make_folder",
    "require_destination",
    "require_writable",
    "write_atomically",
    "write_into",
]

CACHE_VARIABLE: Final = "TUFT_CACHE"
DATA_VARIABLE: Final = "TUFT_DATA"
MODEL_REPOSITORY: Final = "model_repository"

_BLOCK_BYTES: Final = 1 << 20
# Why every further file will fail as well.
_DISK_FAILURES: Final = frozenset(
    {errno.ENOSPC, errno.EROFS, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC), getattr(errno, "ESTALE", errno.EIO)}
)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes `data` to `path`, wholly or not at all: to a temporary file beside it, then renamed.

    The data is on the disk before it gets its name, so a power failure leaves the old file or the new one. What stands
    at `path` keeps its nature: of a symbolic link the target is replaced; a file keeps its permissions, owner and
    access list; devices, pipes and descriptors such as `/dev/stdout` are written to. A file that has several names, or
    cannot be replaced because of its folder or its owner, is overwritten in place: if that fails it gets its old
    contents back, but a power failure may leave it incomplete.

    Raises:
        OutputError: The folder is missing or read-only, the disk is full, or `path` is a folder or a read-only file.
    """
    target = Path(path)
    try:
        replace_contents(target, data)
    except (OSError, ValueError) as exc:  # ValueError: a path with a null byte
        raise cannot_be_written(target, exc) from exc


def require_destination(destination: object) -> None:
    """Checks that `destination` is a path, or a file that is open for writing bytes.

    Raises:
        OptionError: It is neither; the message tells what it is.
    """
    if isinstance(destination, str | os.PathLike):
        return
    kind = type(destination).__name__
    if isinstance(destination, io.TextIOBase):
        raise OptionError(f"This {kind} is open for text: open it as 'wb', or give its path.")
    if not callable(getattr(destination, "write", None)):
        raise OptionError(f"A {kind} is no place for a file: give a path, or a file that is opened as 'wb'.")
    if getattr(destination, "closed", False):
        raise OptionError(f"This {kind} is closed: save before it is closed, or give its path.")
    if isinstance(destination, io.BufferedReader):
        raise OptionError(f"This {kind} is open for reading alone: open it as 'wb', or give its path.")


def write_into(file: BinaryIO, data: bytes) -> None:
    """Writes all of `data` to an open file, which is left open.

    Raises:
        OutputError: The file cannot be written.
    """
    rest = memoryview(data)
    try:
        while rest:
            count = file.write(rest)
            rest = rest[len(rest) if count is None else count :]  # unbuffered files may take a part of it
        flush = getattr(file, "flush", None)
        if callable(flush):
            flush()
    except (OSError, ValueError) as exc:
        raise cannot_be_written(str(getattr(file, "name", f"This {type(file).__name__}")), exc) from exc


def require_writable(paths: Iterable[Path]) -> None:
    """Checks that `write_atomically` can write `paths` now, before work is done that would be lost.

    Folders that do not exist count as possible if they can be made. Nothing stays behind.

    Raises:
        OutputError: One of them cannot be written; the message names it.
    """
    tried = set()
    for path in paths:
        try:
            folder = folder_to_write(path)
            if folder is not None and folder not in tried:
                try_folder(folder)
                tried.add(folder)
        except (OSError, ValueError) as exc:
            raise cannot_be_written(path, exc) from exc


def ignores_case(folder: Path) -> bool:
    """Whether names that differ in case alone are one file in `folder`, or in the folder above it that exists."""
    try:
        probe = temporary_in(nearest_folder(folder))
        probe.touch()
    except OSError:
        return False
    try:
        return probe.with_name(probe.name.upper()).exists()
    finally:
        probe.unlink()


def append_lines(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o666) -> None:
    """Appends `data`, one or more complete lines, in a single write; creates the file if there is none.

    Several threads and processes may append to one file: `O_APPEND` places each write at its end. If the previous
    writer crashed in the middle of a line, `data` starts on a new one. If that writer is still writing, its line only
    looks incomplete, and readers have to skip a blank line.

    Args:
        path: The file. It is opened for each call, so that it may be moved away between two calls.
        data: The lines, each with its line feed.
        mode: Permission bits of a new file, before the umask is applied.

    Raises:
        OutputError: The file cannot be written, or not to its end.
    """
    try:
        with open(path, "a+b", buffering=0, opener=lambda name, flags: os.open(name, flags, mode)) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    data = b"\n" + data
            written = file.write(data)
    except (OSError, ValueError) as exc:
        raise cannot_be_written(path, exc) from exc
    if written < len(data):
        raise OutputError(f"{path} cannot be written to its end: make room on its disk.")


def make_folder(path: str | os.PathLike[str], *, private: bool = False) -> None:
    """Creates a folder and those above it, unless it exists.

    Args:
        path: Of the folder.
        private: Whether only its owner may look into a folder that is made.

    Raises:
        OutputError: The disk is read-only or full, or the path leads through a file.
    """
    try:
        Path(path).mkdir(0o700 if private else 0o777, parents=True, exist_ok=True)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise OutputError(f"The folder {shown(path)} cannot be made ({reason}): give another one.") from exc


def ends_all_writing(error: Exception | None) -> bool:
    """Whether `error` says that every further file would fail as well: the disk is full, read-only or broken."""
    cause = error.__cause__ if isinstance(error, OutputError) else None
    return isinstance(cause, OSError) and cause.errno in _DISK_FAILURES


def cannot_be_written(path: str | os.PathLike[str], cause: Exception) -> OutputError:
    """The error for a file that cannot be written."""
    if isinstance(cause, IsADirectoryError):
        return OutputError(f"{shown(path)} is a folder: give the name of a file.")
    reason = getattr(cause, "strerror", None) or cause
    return OutputError(f"{shown(path)} cannot be written ({shown(reason)}): check its folder and the space left.")


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """The hash of a file's contents in hexadecimal.

    Args:
        path: The file.
        algorithm: A name that `hashlib.new` takes.

    Raises:
        OSError: The file cannot be read.
    """
    digest, block = hashlib.new(algorithm), memoryview(bytearray(_BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            digest.update(block[:count])
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where tuft keeps what can be made again: `$TUFT_CACHE`, else the platform's cache folder for `tuft`.

    On Linux that is `$XDG_CACHE_HOME/tuft`, by default `~/.cache/tuft`.
    """
    import platformdirs

    override = os.environ.get(CACHE_VARIABLE)
    return Path(override) if override else platformdirs.user_cache_path("tuft", appauthor=False)


def data_folder() -> Path:
    """Where tuft keeps the models that it publishes for a user: `$TUFT_DATA`, else the platform's data folder.

    On Linux that is `$XDG_DATA_HOME/tuft`, by default `~/.local/share/tuft`.
    """
    import platformdirs

    override = os.environ.get(DATA_VARIABLE)
    return Path(override) if override else platformdirs.user_data_path("tuft", appauthor=False)


def default_repository() -> Path:
    """The model repository of the working directory if it has one, else the user's own."""
    here = Path(MODEL_REPOSITORY)
    return here if here.is_dir() else data_folder() / MODEL_REPOSITORY


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of a user's configuration.

    On Linux this is `$XDG_CONFIG_HOME/tuft`, by default `~/.config/tuft`; elsewhere it is the platform's folder.

    Args:
        environment: Where `XDG_CONFIG_HOME` and `HOME` are looked up on Linux.
    """
    if sys.platform.startswith("linux"):
        # Not platformdirs, which reads `os.environ` only, and fails for a user without a home folder.
        folder = Path(environment.get("XDG_CONFIG_HOME") or "")
        if not folder.is_absolute():  # the XDG specification says that a relative path must be ignored
            folder = Path(environment.get("HOME") or "/", ".config")
        return folder / "tuft"
    import platformdirs

    return platformdirs.user_config_path("tuft", appauthor=False)
