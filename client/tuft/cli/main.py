"""The command line: arguments in, exit codes and lines of text out."""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import TYPE_CHECKING, Final

import tuft
from tuft.cli import FAILED, config, demo, doctor, experiment, presets, remove, rollout, serve
from tuft.cli._telling import complain, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

# As the shell reports a program that SIGINT or SIGPIPE has ended.
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        0 if all went well, 1 if something failed, 130 after Ctrl-C.

    Raises:
        SystemExit: With 2 for arguments that make no sense, with 0 after `--help` and `--version`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr does it: any file name can be shown
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        complain("interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # What is still in the buffer must not be flushed at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:
        complain(sentence(error))
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tuft", description=tuft.__doc__)
    parser.add_argument("--version", action="version", version=f"tuft {tuft.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (remove, presets, config, doctor, serve, demo, experiment, rollout):
        command.add_to(commands)
    return parser
