"""Where a served model came from, and whether every file of it is still the one that was published.

Each version folder of a model repository holds a `provenance.json`: the chain from the weights to the served file, the
SHA-256 of every file of the model, and a digest of all that. `record` reads and writes it, `files` says which files
belong to a version, `check` compares. Nothing here needs more than Python itself, so that a serving container can check
what it is about to load.
"""

from __future__ import annotations

from tuft.provenance.check import check_model, check_repository, report, repository_digest, require_digest
from tuft.provenance.files import file_sha256, is_version
from tuft.provenance.record import RECORD, SERVED_FILES, Link, Provenance, read, short, write

__all__ = [
    "RECORD",
    "SERVED_FILES",
    "Link",
    "Provenance",
    "check_model",
    "check_repository",
    "file_sha256",
    "is_version",
    "read",
    "report",
    "repository_digest",
    "require_digest",
    "short",
    "write",
]
