"""What the commands share: their declaration, common options, and how failures are printed."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tqdm import tqdm

from tuft.errors import OptionError, SetupError, TuftError
from tuft.files import default_repository
from tuft.inference.transport.access import Access
from tuft.inference.transport.connect import LOCAL, answers, connect, transport_name
from tuft.presets import PRESETS, preset_from_name
from tuft.settings import DEFAULT_ORIGIN, resolve
from tuft.text import shown

if TYPE_CHECKING:
    from tuft.settings import Settings

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
    parser.add_argument("--url", help="the server's gRPC address, or local to compute in this process; TUFT_URL, else "
                        "localhost:8001 by default")  # fmt: skip


def settings_of(arguments: argparse.Namespace, *, required: bool = True, **more: Any) -> Settings:
    """The settings of a command with `add_server_options`.

    If nothing names a server, that is one that answers at the default address, else this process where it can compute;
    a line on standard error says which.

    Args:
        arguments: The command's.
        required: Whether the command needs one of both.
        **more: Further attributes of `Settings`; None counts as not given.

    Raises:
        OptionError: A setting has no such value.
        SetupError: Nothing answers, and this process cannot compute.
    """
    given = {"url": arguments.url, "preset": arguments.preset, **more}
    resolved = resolve(given, config=arguments.config)
    settings = resolved.settings
    if resolved.origins["url"] != DEFAULT_ORIGIN:
        return settings
    if answers(settings.url, Access.of(settings)):
        print_error(f"using the server at {settings.url}")
        return settings
    if not computes_here():
        if required:
            raise SetupError(
                f"No server answers at {settings.url}, and there is nothing to compute with in this process: "
                "pip install 'tuft-matting[local]', start a server with `tuft serve`, or name one with --url."
            )
        return settings
    print_error(f"no server answers at {settings.url}, so this process computes (--url {LOCAL})")
    return settings.overridden(url=LOCAL)


def computes_here() -> bool:
    """Whether `local` is installed, and all that it needs."""
    if transport_name(LOCAL) is None:
        return False
    try:
        connect(LOCAL).close()
    except SetupError:  # the extra is not installed
        return False
    return True


def add_repository(parser: argparse._ActionsContainer) -> None:
    """Adds `--repository`; see `repository_of`."""
    parser.add_argument("--repository", type=Path, metavar="DIR", help="model repository; ./model_repository if there "
                        "is one, else the user's own by default")  # fmt: skip


def repository_of(arguments: argparse.Namespace) -> Path:
    """The model repository of a command with `add_repository`."""
    return arguments.repository or default_repository()


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
        text = (
            f"{shown(error.filename)} cannot be used ({error.strerror}): check the path, its permissions and its disk."
        )
    elif not isinstance(error, TuftError):
        text = f"unexpected {type(error).__name__} ({text}): set TUFT_DEBUG=1 to see where, and report it."
    if subject not in text:
        text = f"{subject}: {text}"
    return f"{text}\n{''.join(traceback.format_exception(error))}" if os.environ.get("TUFT_DEBUG") else text
