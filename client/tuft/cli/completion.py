"""`tuft completion`: prints a script with which a shell completes tuft's commands, options and files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from tuft.cli._shared import DONE, add_command
from tuft.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuft.cli._shared import Commands

SHELLS: Final = ("bash", "zsh", "fish", "tcsh", "powershell")
_FILES: Final = frozenset({"PATH", "OUT", "FILE", "PHOTO", "EXPERIMENT", "WHAT"})
_FOLDERS: Final = frozenset({"DIR"})


def add_to(commands: Commands) -> None:
    """Adds the command; it needs the parser of all commands as `program` among its arguments."""
    parser = add_command(commands, "completion", _run, "print a script that completes commands and options in a shell")
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def _run(arguments: argparse.Namespace) -> int:
    print(completion_script(arguments.program, arguments.shell))
    return DONE


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for one of `SHELLS`.

    Raises:
        SetupError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as exc:
        raise SetupError("Completion needs shtab: pip install 'tuft-matting[completion]'.") from exc
    for action in _actions(parser):
        if action.metavar in _FILES | _FOLDERS:
            # shtab looks for this attribute.
            action.complete = shtab.DIRECTORY if action.metavar in _FOLDERS else shtab.FILE  # type: ignore[attr-defined]
    script: str = shtab.complete(parser, shell=shell)
    return script


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The options and arguments of all commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            choices: dict[str, Any] = dict(action.choices)
            for command in choices.values():
                yield from _actions(command)
