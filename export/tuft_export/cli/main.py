"""The command line `tuft-export`: its parser and its entry point."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tuft.cli._shared import error_line
from tuft.cli.scaffold import run
from tuft.errors import TuftError
from tuft_export.cli import adopt, engine, onnx, publish, sam2, verify, weights

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `tuft-export` and returns its exit code, see `tuft.cli.scaffold.run`."""
    return run(build_parser(), argv, describe=_describe)


def build_parser() -> argparse.ArgumentParser:
    """The parser of `tuft-export` with all commands."""
    parser = argparse.ArgumentParser(prog="tuft-export", description="From a checkpoint to a served model.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (weights, onnx, engine, publish, adopt, sam2, verify):
        command.add_to(commands)
    return parser


def _describe(error: Exception) -> str:
    if isinstance(error, TuftError):
        return str(error)  # the reports of failed parity checks are tables
    if isinstance(error, OSError) and error.filename is None:
        return f"{error.strerror or error}: check the path, its permissions and the free space."
    return error_line(error)
