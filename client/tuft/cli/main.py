"""The command line `tuft`: its parser and its entry point."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

import tuft
from tuft.cli import (
    batch,
    completion,
    config,
    demo,
    doctor,
    experiment,
    gateway,
    models,
    presets,
    remove,
    rollout,
    serve,
)
from tuft.cli.scaffold import run

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `tuft` and returns its exit code, see `tuft.cli.scaffold.run`."""
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # or gRPC would print a failed handshake, beside the error
    return run(build_parser(), argv)


def build_parser() -> argparse.ArgumentParser:
    """The parser of `tuft` with all commands."""
    parser = argparse.ArgumentParser(prog="tuft", description=tuft.__doc__)
    parser.add_argument("--version", action="version", version=f"tuft {tuft.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (
        remove,
        batch,
        models,
        presets,
        config,
        doctor,
        serve,
        gateway,
        demo,
        experiment,
        rollout,
        completion,
    ):
        command.add_to(commands)
    parser.set_defaults(program=parser)
    return parser
