"""`tuft-export verify`: checks every file of the model repository against its provenance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuft.cli._shared import DONE, add_command, add_repository, repository_of
from tuft.errors import IntegrityError
from tuft.provenance import Provenance, check_repository, report, require_digest, short
from tuft_export.checkpoints import CHECKPOINTS, verify

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "verify", _run, "check every file of the model repository against its provenance")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("place", type=Path, nargs="?", metavar="REPOSITORY", help="the same as --repository")
    add_repository(where)
    parser.add_argument("--digest", metavar="SHA256", help="the repository's digest; a different one is an error")


def _run(options: argparse.Namespace) -> int:
    records = check_repository(options.place or repository_of(options))
    if options.digest is not None:
        require_digest(records, options.digest)
    _check_checkpoints(records)
    print(report(records))
    return DONE


def _check_checkpoints(records: Sequence[Provenance]) -> None:
    """Checks that the checkpoints present on this machine are those that the models were made from."""
    named = {record.chain[0].get("name") for record in records if record.chain[0]["kind"] == "checkpoint"}
    here = {row.name: verify(row) for row in CHECKPOINTS.values() if row.name in named and row.path.is_file()}
    for record in records:
        name, sha256 = record.chain[0].get("name"), record.chain[0]["sha256"]
        if name in here and here[name] != sha256:
            raise IntegrityError(
                f"{record.model}, version {record.version}, was made from another {name} than {CHECKPOINTS[name].path} "
                f"({short(sha256)} instead of {short(here[name])}): publish it again."
            )
