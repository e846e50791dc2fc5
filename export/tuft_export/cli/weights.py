"""`tuft-export weights`: list, fetch and verify checkpoints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuft_export import checkpoints

if TYPE_CHECKING:
    import argparse

    from tuft_export.cli import Commands


def add_to(commands: Commands) -> None:
    """Declares the command."""
    weights = commands.add_parser("weights", help="list, fetch and verify checkpoints")
    actions = weights.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="what there is").set_defaults(run=_list)
    for name, run, text in (
        ("pull", _pull, "download and verify one"),
        ("verify", _verify, "check one that is here"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("name", choices=tuple(checkpoints.CHECKPOINTS))
        action.set_defaults(run=run)


def _list(_: argparse.Namespace) -> None:
    for row in checkpoints.CHECKPOINTS.values():
        state = "here" if row.path.is_file() else "not pulled"
        proof = "md5 published" if row.md5 else "in the package" if row.url is None else "no published hash"
        print(f"{row.name:<13} {state:<11} {proof:<18} {row.licence}")


def _pull(options: argparse.Namespace) -> None:
    row = checkpoints.CHECKPOINTS[options.name]
    print(checkpoints.pull(row, progress=sys.stderr.isatty()))


def _verify(options: argparse.Namespace) -> None:
    row = checkpoints.CHECKPOINTS[options.name]
    print(f"{checkpoints.verify(row)}  {row.path}")
