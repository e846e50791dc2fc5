"""The origin of served models, and the integrity of their files.

Each version folder of a model repository holds a `provenance.json`: the chain from the weights to the served file, the
SHA-256 of every file of the model, and a digest of the record. `record` reads and writes it, `files` lists the files of
a version, `check` verifies them. The package needs only the standard library, so that a serving container can check its
models before it loads them.
"""

from __future__ import annotations

from tuft.provenance.check import check_model, check_repository, report, repository_digest, require_digest
from tuft.provenance.files import is_version
from tuft.provenance.record import RECORD, SERVED_FILES, Link, Provenance, read, short, write

__all__ = [
    "RECORD",
    "SERVED_FILES",
    "Link",
    "Provenance",
    "check_model",
    "check_repository",
    "is_version",
    "read",
    "report",
    "repository_digest",
    "require_digest",
    "short",
    "write",
]
