"""Folders on this machine and in object storage, behind one interface: fsspec's, with errors that say what to do."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import ImageNotFoundError, OptionError, OutputError, SetupError, StorageError
from tuft.files import cannot_be_written, make_folder, write_atomically
from tuft.text import shown, without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCAL: Final = "file"
EXTRA: Final = "pip install 'tuft-matting[buckets]'"
_PAGE_KEYS: Final = 1000  # what S3 lists at once
_UNORDERED: Final = "--x-s3"  # how names of S3's directory buckets end
_ATTEMPTS: Final = 4
_PAUSE_S: Final = 0.5


@dataclass(frozen=True)
class Location:
    """A file, a folder or a prefix; `fsspec` tells where from its protocol.

    Attributes:
        protocol: `file` for this machine, else that of fsspec, such as `s3`.
        path: As the file system names it, without the protocol.
    """

    protocol: str
    path: str

    @classmethod
    def of(cls, text: str | os.PathLike[str]) -> Location:
        """The location that a path or a URL means.

        Raises:
            OptionError: It is empty, or of a kind that fsspec does not know.
            SetupError: What reads it is not installed.
        """
        text = os.fspath(text)
        if not text:
            raise OptionError("An empty path is given: write . for the folder that you are in.")
        protocol = text.partition("://")[0] if "://" in text else LOCAL
        filesystem = _filesystem(protocol)
        return cls(protocol, filesystem._strip_protocol(text) or "/")

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return self.protocol == LOCAL

    @property
    def filesystem(self) -> Any:
        """The `fsspec.AbstractFileSystem`, one for each process."""
        return _filesystem(self.protocol)

    def __str__(self) -> str:
        return self.path if self.is_local else without_password(f"{self.protocol}://{self.path}")

    def __truediv__(self, name: str) -> Location:
        return Location(self.protocol, f"{self.path.rstrip('/')}/{name}")

    def contains(self, other: Location) -> bool:
        """Whether `other` lies below it, or is it."""
        inside = f"{other.path.rstrip('/')}/".startswith(f"{self.path.rstrip('/')}/")
        return self.protocol == other.protocol and inside

    def read(self) -> bytes:
        """All of a file.

        Raises:
            ImageNotFoundError: There is none.
            StorageError: It cannot be read.
        """
        with _reading(self):
            data: bytes = self.filesystem.cat_file(self.path)
            return data

    def size(self) -> int:
        """Bytes of a file.

        Raises:
            ImageNotFoundError: There is none.
            StorageError: The storage does not answer.
        """
        with _reading(self):
            return int(self.filesystem.size(self.path) or 0)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """A file for reading bytes, from its beginning to its end.

        Raises:
            ImageNotFoundError: There is none.
            StorageError: It cannot be read.
        """
        with _reading(self), self.filesystem.open(self.path, "rb") as file:
            yield file

    def exists(self) -> bool:
        """Whether there is such a file or folder.

        Raises:
            StorageError: The storage does not answer.
        """
        with _reading(self):
            return bool(self.filesystem.exists(self.path))

    def is_file(self) -> bool:
        """Whether it is a file; whether it is a prefix is not asked, as s3fs would list all of it.

        Raises:
            StorageError: The storage does not answer.
        """
        with _reading(self):
            return bool(self.filesystem.isfile(self.path))

    def write(self, data: bytes) -> None:
        """Writes a file, wholly or not at all; an object of the same name is replaced.

        Raises:
            OutputError: It cannot be written, after several attempts.
        """
        if self.is_local:
            make_folder(os.path.dirname(self.path))  # noqa: PTH120 - a path of fsspec
            write_atomically(self.path, data)
            return
        self._write(lambda: self.filesystem.pipe_file(self.path, data))

    def upload(self, file: str) -> None:
        """Moves a local file here, wholly or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        if self.is_local:
            try:
                Path(file).replace(self.path)
            except OSError as exc:
                raise cannot_be_written(self.path, exc) from exc
            return
        self._write(lambda: self.filesystem.put_file(file, self.path))

    def _write(self, write: Any) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                write()
                return
            except Exception as exc:
                if attempt == _ATTEMPTS or isinstance(exc, FileNotFoundError | PermissionError):
                    raise OutputError(
                        f"{self} cannot be written ({_reason(exc)}): check the bucket, and who may write to it."
                    ) from exc
                time.sleep(_PAUSE_S * 2**attempt)

    def delete(self) -> None:
        """Deletes a file; one that is gone already is no error.

        Raises:
            OutputError: It cannot be deleted.
        """
        try:
            with suppress(FileNotFoundError):
                self.filesystem.rm_file(self.path)
        except Exception as exc:
            raise OutputError(f"{self} cannot be deleted ({_reason(exc)}): check who may write there.") from exc

    def names(self) -> list[str]:
        """Names of the files directly in a folder, in order; empty if there is no folder.

        Raises:
            StorageError: The storage does not answer.
        """
        with _reading(self):
            try:
                listed = self.filesystem.ls(self.path, detail=True, refresh=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        names = (entry["name"].rstrip("/").rpartition("/")[2] for entry in listed if entry["type"] == "file")
        return sorted(filter(None, names))

    def below(self, after: str = "") -> Iterator[tuple[str, int]]:
        """All files below a folder or a prefix, lazily, each as its path relative to it and its size.

        Buckets of S3 are listed page by page; of this machine and of other storage, one folder is in memory at a time.
        Both S3 and this machine list in the order of whole paths.

        Args:
            after: A path after which the listing begins, where there is an order; other storage lists everything.

        Raises:
            ImageNotFoundError: There is no such folder or bucket.
            StorageError: The storage does not answer.
        """
        with _reading(self):
            if self.is_local:
                yield from _below_folder(self.path, after)
            elif hasattr(self.filesystem, "call_s3"):
                yield from self._below_prefix(after)
            else:
                yield from self._below_walked()

    def _below_prefix(self, after: str) -> Iterator[tuple[str, int]]:
        bucket, _, prefix = self.path.partition("/")
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        page: dict[str, Any] = {"IsTruncated": True}
        more: dict[str, str] = {"StartAfter": prefix + after} if after and not bucket.endswith(_UNORDERED) else {}
        while page.get("IsTruncated"):
            page = self.filesystem.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE_KEYS, **more)
            for found in page.get("Contents", ()):
                if not found["Key"].endswith("/"):  # what consoles make for an empty folder
                    yield found["Key"][len(prefix) :], int(found["Size"])
            more = {"ContinuationToken": page.get("NextContinuationToken", "")}

    def _below_walked(self) -> Iterator[tuple[str, int]]:
        start = len(self.path.rstrip("/")) + 1
        for _, _, files in self.filesystem.walk(self.path, detail=True, on_error="raise"):
            for entry in sorted(files.values(), key=lambda one: str(one["name"])):
                yield entry["name"][start:], int(entry.get("size") or 0)


def _below_folder(folder: str, after: str, relative: str = "") -> Iterator[tuple[str, int]]:
    with os.scandir(os.path.join(folder, relative)) as found:  # noqa: PTH118 - a path of fsspec
        entries = sorted((f"{relative}{one.name}{'/' * one.is_dir(follow_symlinks=False)}", one) for one in found)
    for name, entry in entries:
        if name.endswith("/"):
            if name > after or after.startswith(name):
                yield from _below_folder(folder, after, name)
        elif name > after and entry.is_file():
            yield name, entry.stat().st_size


def _filesystem(protocol: str) -> Any:
    try:
        import fsspec
    except ImportError as exc:
        raise SetupError(f"Batches need fsspec and pyarrow: {EXTRA}.") from exc
    try:
        # A listing that is kept would hide what other workers write, and grow with the bucket.
        return fsspec.filesystem(protocol, use_listings_cache=False) if protocol != LOCAL else fsspec.filesystem(LOCAL)
    except ImportError as exc:
        remedy = EXTRA if protocol.startswith("s3") else "install it"
        raise SetupError(f"{protocol}:// needs a library that is not installed ({shown(exc)}): {remedy}.") from exc
    except ValueError as exc:
        raise OptionError(f"tuft reads no {shown(protocol)}://: give a path, or a bucket such as s3://NAME.") from exc


@contextmanager
def _reading(location: Location) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise ImageNotFoundError(f"There is no {shown(location)}: check its name.") from exc
    except Exception as exc:
        if not isinstance(exc, (OSError, *_library_errors(location))):
            raise
        raise StorageError(
            f"{shown(location)} cannot be read ({_reason(exc)}): check the storage's address, and who may read it."
        ) from exc


def _library_errors(location: Location) -> tuple[type[Exception], ...]:
    """What the libraries of buckets raise beside `OSError`: no credentials, no connection."""
    if location.is_local:
        return ()
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return ()
    return BotoCoreError, ClientError


def _reason(cause: Exception) -> str:
    return shown(str(getattr(cause, "strerror", None) or cause).strip().rstrip(".") or type(cause).__name__)
