"""Files that others publish: fetched into the cache, and kept under their name only if they are the right ones.

A file with a published hash is compared with it. The hash of any other is recorded when it first arrives, and the file
is compared with that from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from tuft.files import file_hash
from tuft_export.download import download
from tuft_export.errors import CheckpointError

if TYPE_CHECKING:
    from pathlib import Path

_FIRST_SEEN_SUFFIX: Final = ".sha256"


class Published(Protocol):
    """A file that is published somewhere, and what is known of it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def kind(self) -> str:
        """What messages call it, such as `checkpoint`."""

    @property
    def url(self) -> str | None:
        """Where it is published; None for a file that is here already."""

    @property
    def path(self) -> Path:
        """Where it is kept, also before `pull`."""

    @property
    def md5(self) -> str | None:
        """As published, or None."""

    @property
    def sha256(self) -> str | None:
        """As published, or None."""

    @property
    def size_bytes(self) -> int | None:
        """Where known, or None."""

    @property
    def remedy(self) -> str:
        """How to get the right file."""

    @property
    def remedy_if_wrong(self) -> str:
        """How to replace a wrong file by the right one."""


def pull(file: Published, *, progress: bool = True) -> Path:
    """Downloads a file unless a valid one is already there, and verifies it before moving it into place.

    Raises:
        CheckpointError: It cannot be downloaded, or is not the published file; then no file is left behind.
    """
    if file.url is None or file.path.exists():
        verify(file)
        return file.path
    partial = download(file.url, file.path, progress=progress)
    try:
        _verify_contents(file, partial)
    except CheckpointError:
        partial.unlink()
        raise
    if file.md5 is None and file.sha256 is None:
        _first_seen_file(file).write_text(file_hash(partial) + "\n")
    partial.replace(file.path)
    return file.path


def verify(file: Published) -> str:
    """Checks a file against what is known of it.

    Returns:
        Its SHA-256 in hexadecimal.

    Raises:
        CheckpointError: It is missing or is not the published one.
    """
    if not file.path.is_file():
        raise CheckpointError(f"The {file.kind} {file.name} is not at {file.path}: {file.remedy}.")
    _verify_contents(file, file.path)
    sha256 = file_hash(file.path)
    first_seen = _first_seen_file(file)
    if file.url and first_seen.is_file() and first_seen.read_text().strip() != sha256:
        raise CheckpointError(
            f"The {file.kind} {file.name} has changed since it was downloaded: delete {file.path} "
            f"and {first_seen}, then pull it again."
        )
    return sha256


def _verify_contents(file: Published, path: Path) -> None:
    actual_bytes = path.stat().st_size
    if file.size_bytes is not None and actual_bytes != file.size_bytes:
        raise CheckpointError(
            f"{file.name} has {actual_bytes} bytes instead of {file.size_bytes}: {file.remedy_if_wrong}."
        )
    for algorithm, expected in (("md5", file.md5), ("sha256", file.sha256)):
        if expected is not None and (actual := file_hash(path, algorithm)) != expected:
            raise CheckpointError(
                f"{file.name} has the {algorithm.upper()} {actual} instead of the published {expected}, is "
                f"damaged or not the same file: {file.remedy_if_wrong}."
            )


def _first_seen_file(file: Published) -> Path:
    return file.path.with_name(file.path.name + _FIRST_SEEN_SUFFIX)
