"""What the commands share: their declaration, common options, and how failures are printed."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from tqdm import tqdm

from tuft.errors import OptionError, TuftError
from tuft.presets import PRESETS, preset_from_name

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
# Runs a command on its parsed arguments and returns the exit code.
Run: TypeAlias = Callable[[argparse.Namespace], int]

DONE: Final = 0
FAILED: Final = 1


def add_command(commands: Commands, name: str, run: Run, summary: str) -> argparse.ArgumentParser:
    """Adds the command `name`; its `--help` begins with `summary`."""
    escaped = summary.replace("%", "%%")  # argparse formats `help` with %, but not `description`
    parser = commands.add_parser(name, help=escaped, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(run=run)
    return parser


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--preset`, `--url` and `--config`."""
    parser.add_argument("--preset", type=_preset, choices=PRESETS,
                        help="see `tuft presets`; TUFT_PRESET, else standard by default")  # fmt: skip
    add_url(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings, see `tuft config`; TUFT_CONFIG, else "
                        "tuft.toml, else ~/.config/tuft/config.toml by default")  # fmt: skip


def add_url(parser: argparse.ArgumentParser) -> None:
    """Adds `--url`."""
    parser.add_argument("--url", help="the server's gRPC address; TUFT_URL, else localhost:8001 by default")


def add_repository(parser: argparse.ArgumentParser) -> None:
    """Adds `--repository`."""
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR",
                        help="model repository, %(default)s by default")  # fmt: skip


def _preset(text: str) -> str:
    """Parses the name of a preset; argparse alone would suggest none for a misspelt one."""
    try:
        return preset_from_name(text).name
    except OptionError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive(text: str) -> int:
    """Parses an integer above zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above zero")
    return number


def print_error(text: str, program: str = "tuft") -> None:
    """Prints `text` to standard error, above a progress bar if there is one."""
    tqdm.write(f"{program}: {text}", file=sys.stderr)


def error_line(error: Exception, subject: str = "") -> str:
    """Describes an error in one line, followed by the traceback if TUFT_DEBUG is set.

    Args:
        error: Anything but a `TuftError` and a failure of a file is described as a defect to be reported.
        subject: What the error is about, such as a file; put in front unless the message names it.
    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename} cannot be used ({error.strerror}): check the path, its permissions and its disk."
    elif not isinstance(error, TuftError):
        text = f"unexpected {type(error).__name__} ({text}): set TUFT_DEBUG=1 to see where, and report it."
    if subject not in text:
        text = f"{subject}: {text}"
    return f"{text}\n{''.join(traceback.format_exception(error))}" if os.environ.get("TUFT_DEBUG") else text
