"""Integrity checks: of a model, of a repository, and of a repository against a pinned digest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuft.errors import IntegrityError, SetupError
from tuft.files import file_hash
from tuft.provenance.files import is_shared, own_files, shared_files, version_folders
from tuft.provenance.record import RECORD, Provenance, canonical_sha256, read, tampered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def check_repository(repository: Path) -> list[Provenance]:
    """Checks every published version of every model.

    Returns:
        The records, sorted by model and version.

    Raises:
        IntegrityError: A file is not what was published; the message names it.
        SetupError: There is no such repository, or nothing is published in it.
    """
    if not repository.is_dir():
        raise SetupError(f"There is no model repository at {repository}: name the one you have.")
    folders = sorted(path for path in repository.iterdir() if path.is_dir())
    records = [record for folder in folders for record in check_model(folder)]
    if not records:
        raise SetupError(f"No model in {repository} is published: run `tuft-export publish`.")
    return records


def check_model(folder: Path) -> list[Provenance]:
    """Checks every published version of the model in `folder`, and the files that the versions share.

    Shared files must be as the last publication left them, whichever version that was.

    Returns:
        The records, sorted by version; empty if nothing is published.

    Raises:
        IntegrityError: A file is not what was published; the message names it.
    """
    records = {version: read(version) for version in version_folders(folder)}
    for version, record in records.items():
        present = own_files(version)
        del present[RECORD]
        _check_files(version, {name: sha256 for name, sha256 in record.files.items() if not is_shared(name)}, present)
    if records:
        version, latest = max(records.items(), key=lambda item: item[1].created)
        shared = {name: sha256 for name, sha256 in latest.files.items() if is_shared(name)}
        _check_files(version, shared, shared_files(folder))
    return list(records.values())


def repository_digest(records: Iterable[Provenance]) -> str:
    """The repository's digest: a SHA-256 over the sorted (model, version, digest) of its records."""
    return canonical_sha256(sorted([record.model, record.version, record.digest] for record in records))


def require_digest(records: Iterable[Provenance], digest: str) -> None:
    """Compares the repository with a pinned digest, which also detects changes with rewritten records.

    Raises:
        IntegrityError: The repository's digest is another.
    """
    actual = repository_digest(records)
    if actual != digest:
        raise IntegrityError(
            f"The model repository has the digest {actual} instead of {digest}: publish again what was pinned, "
            "or pin the new digest if you have published it yourself."
        )


def report(records: Sequence[Provenance]) -> str:
    """One line for each version, then the repository's digest."""
    return "\n".join([*map(str, records), f"digest {repository_digest(records)}"])


def _check_files(version: Path, listed: Mapping[str, str], present: Mapping[str, Path]) -> None:
    for name in sorted(listed.keys() | present.keys()):
        path = Path(os.path.normpath(version / name))
        if name not in present:
            raise tampered(path, "is missing")
        if name not in listed:
            raise tampered(path, "was not published with the model", "delete it, or ")
        if not path.is_file():  # reading a pipe could block forever
            raise tampered(path, "is not a file")
        try:
            actual = file_hash(path)
        except OSError as exc:
            raise tampered(path, f"cannot be read ({exc.strerror})") from exc
        if actual != listed[name]:
            raise tampered(path, "is not the file that was published")
