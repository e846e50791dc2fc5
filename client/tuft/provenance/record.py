"""`provenance.json`: its content, and reading and writing it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tuft.errors import IntegrityError
from tuft.files import file_hash
from tuft.provenance.files import COMPILED, own_files, shared_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECORD: Final = "provenance.json"
SCHEMA: Final = 2

# The served file by the kind of the last link of a chain.
SERVED_FILES: Final = {"onnx": "model.onnx", "plan": "model.plan"}
# Kinds of the first link of a chain: weights, or a third-party model.
ORIGINS: Final = ("checkpoint", "model")

Link: TypeAlias = dict[str, Any]

_SHORT: Final = 12


@dataclass(frozen=True)
class Provenance:
    """The content of a `provenance.json`.

    Attributes:
        model: Name of the model.
        version: Name of the version folder.
        created: When it was published, ISO 8601 in UTC.
        chain: From the weights to the served file. Each link has a `kind` and a `sha256`; all but the first also have
            `from`, the `sha256` of the previous link.
        files: SHA-256 of each file, except the record itself, by its path relative to the version folder.
        digest: SHA-256 of the record's canonical JSON without the digest.
    """

    model: str
    version: str
    created: str
    chain: tuple[Link, ...]
    files: Mapping[str, str]
    digest: str

    def __str__(self) -> str:
        return f"{self.model} {self.version}: {' -> '.join(map(_described, self.chain))}"


def read(folder: Path) -> Provenance:
    """Reads the record of a version folder and checks its form, digest, names and chain.

    Raises:
        IntegrityError: It is missing, damaged or changed, or belongs to another version.
    """
    path = folder / RECORD
    if not path.is_file():
        raise tampered(path, "is missing")
    try:
        text = path.read_bytes().decode()
        record = json.loads(text)
    except OSError as exc:
        raise tampered(path, f"cannot be read ({exc.strerror})") from exc
    except (ValueError, RecursionError):
        raise tampered(path, "is damaged") from None
    if isinstance(record, dict) and record.get("schema") != SCHEMA:
        raise tampered(path, "was written by another version of tuft")
    # Each content has exactly one form, so changes that leave the JSON values equal are detected too.
    if not isinstance(record, dict) or _rendered(record) != text or record.get("digest") != _digest_of(record):
        raise tampered(path, "has been changed")
    try:
        provenance = _from_record(record)
        whole = _is_whole(provenance)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise tampered(path, "is incomplete") from None
    if (provenance.model, provenance.version) != (_model_name(folder), folder.name):
        raise tampered(path, f"belongs to {provenance.model}, version {provenance.version}")
    if not whole:
        raise tampered(path, "has a chain that does not lead to the served file")
    return provenance


def write(
    folder: Path, *, model: str, version: str, chain: Sequence[Link], details: Mapping[str, Any] | None = None
) -> None:
    """Writes the record of a version folder; all its files and the shared ones must be in place.

    Args:
        folder: The version folder, or its staging folder beside it, whose name starts with a dot.
        model: Name of the model.
        version: Final name of the version folder.
        chain: As in `Provenance`.
        details: Further entries of the record, as JSON values.

    Raises:
        IntegrityError: The chain is broken, or does not end in the file that is there.
    """
    for python_folder in {path.parent for path in own_files(folder).values() if path.suffix == ".py"}:
        (python_folder / COMPILED).touch()
    files = {**own_files(folder), **shared_files(folder.parent)}
    files.pop(RECORD, None)
    record = {
        "schema": SCHEMA,
        "model": model,
        "version": version,
        "created": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
        "chain": chain,
        **(details or {}),
        "files": {name: file_hash(path) for name, path in sorted(files.items())},
    }
    record = json.loads(json.dumps(record))
    record["digest"] = _digest_of(record)
    if not _is_whole(_from_record(record)):
        raise tampered(folder / RECORD, "would have a chain that does not lead to the served file")
    (folder / RECORD).write_text(_rendered(record))


def canonical_sha256(value: object) -> str:
    """The SHA-256 of a value's canonical JSON: sorted keys, no spaces, ASCII."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def short(sha256: str) -> str:
    """A hash shortened for display."""
    return sha256[:_SHORT]


def tampered(path: Path, what: str, otherwise: str = "") -> IntegrityError:
    """The error for a file that is not what was published."""
    return IntegrityError(f"{path} {what}: {otherwise}publish the model again.")


def _rendered(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=2) + "\n"


def _digest_of(record: Mapping[str, Any]) -> str:
    return canonical_sha256({key: value for key, value in record.items() if key != "digest"})


def _from_record(record: Mapping[str, Any]) -> Provenance:
    chain, created = tuple(record["chain"]), str(record["created"])
    return Provenance(record["model"], record["version"], created, chain, record["files"], record["digest"])


def _is_whole(provenance: Provenance) -> bool:
    """Whether the chain leads from an origin, link by link, to the served file."""
    first, *others = provenance.chain
    hashes = [link["sha256"] for link in provenance.chain]
    return (
        all(isinstance(sha256, str) for sha256 in hashes)
        and first["kind"] in ORIGINS
        and [link["kind"] for link in others] in (["onnx"], ["onnx", "plan"])
        and [link["from"] for link in others] == hashes[:-1]
        and provenance.files[SERVED_FILES[others[-1]["kind"]]] == hashes[-1]
    )


def _model_name(folder: Path) -> str:
    """The name under which Triton sees the model of a version folder; it may be that of a symbolic link."""
    return Path(os.path.abspath(folder)).parent.name  # noqa: PTH100 (resolve would follow links)


def _described(link: Link) -> str:
    return " ".join([link["kind"], *([str(link["name"])] if "name" in link else []), short(link["sha256"])])
