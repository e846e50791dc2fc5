"""The command line `tuft-export`: weights, graphs, and the model repository."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tuft.errors import TuftError
from tuft_export.cli import adopt, engine, onnx, publish, verify, weights

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code: 0, or 1 with one sentence on standard error; 2 for wrong usage.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except TuftError as exc:
        print(f"tuft-export: {exc}", file=sys.stderr)
        return 1
    except OSError as exc:
        print(f"tuft-export: {exc}: check the path, its permissions and the free space.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tuft-export", description="From a checkpoint to a served model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (weights, onnx, engine, publish, adopt, verify):
        command.add_to(commands)
    return parser
