"""`tuft-export weights`: lists, downloads and verifies checkpoints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuft.cli._shared import DONE, add_command
from tuft_export import checkpoints

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command and its subcommands."""
    weights = add_command(commands, "weights", _list, "list, fetch and verify checkpoints")
    actions = weights.add_subparsers(title="commands", required=True, metavar="ACTION")
    add_command(actions, "list", _list, "list the known checkpoints")
    for name, run, summary in (
        ("pull", _pull, "download and verify a checkpoint"),
        ("verify", _verify, "verify a downloaded checkpoint"),
    ):
        action = add_command(actions, name, run, summary)
        action.add_argument("name", choices=tuple(checkpoints.CHECKPOINTS))


def _list(_: argparse.Namespace) -> int:
    for row in checkpoints.CHECKPOINTS.values():
        state = "here" if row.path.is_file() else "not pulled"
        hash_state = "md5 published" if row.md5 else "in the package" if row.url is None else "no published hash"
        print(f"{row.name:<13} {state:<11} {hash_state:<18} {row.licence}")
    return DONE


def _pull(options: argparse.Namespace) -> int:
    row = checkpoints.CHECKPOINTS[options.name]
    print(checkpoints.pull(row, progress=sys.stderr.isatty()))
    return DONE


def _verify(options: argparse.Namespace) -> int:
    row = checkpoints.CHECKPOINTS[options.name]
    print(f"{checkpoints.verify(row)}  {row.path}")
    return DONE
