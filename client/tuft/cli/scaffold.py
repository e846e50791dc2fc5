"""Runs a command line: exit codes, interrupts, closed pipes and error lines, the same for `tuft` and `tuft-export`."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Final

from tuft.cli._shared import FAILED, error_line, print_error

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

# A shell reports 128 + N for a program that signal N has ended: here SIGINT and SIGPIPE.
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141


def run(
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None = None,
    *,
    describe: Callable[[Exception], str] = error_line,
) -> int:
    """Parses the arguments and runs the command that they name.

    Args:
        parser: Its commands set `run`, a function of the parsed arguments that returns the exit code.
        argv: The arguments; those of the process by default.
        describe: Turns an exception into the text for standard error.

    Returns:
        The command's exit code; 1 after an exception, 130 after Ctrl-C, 141 if the reader of the output has gone.

    Raises:
        SystemExit: With 2 for invalid arguments, with 0 after `--help` and `--version`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: any file name can be printed
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print_error("interrupted.", parser.prog)
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes what is left in the buffer at exit: give it a stream that accepts it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception as error:
        print_error(describe(error), parser.prog)
        return FAILED
