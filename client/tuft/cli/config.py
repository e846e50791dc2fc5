"""`tuft config`: lists each setting, its value, and the source of the value."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tuft.cli._shared import DONE, add_command, add_server_options, print_error
from tuft.settings import misspelt_variables, resolve
from tuft.text import aligned_table

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands
    from tuft.settings import Resolved


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "config", _run, "list the settings, their values and the sources of these")
    add_server_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(arguments: argparse.Namespace) -> int:
    resolved = resolve({"url": arguments.url, "preset": arguments.preset}, config=arguments.config)
    for variable, meant in misspelt_variables(os.environ).items():
        print_error(f"{variable} sets nothing: did you mean {meant}?")
    print(json.dumps(_document(resolved), indent=2) if arguments.json else _table(resolved))
    return DONE


def _document(resolved: Resolved) -> dict[str, Any]:
    values = vars(resolved.settings)
    return {
        "file": None if resolved.file is None else str(resolved.file),
        "settings": {name: {"value": values[name], "from": origin} for name, origin in resolved.origins.items()},
    }


def _table(resolved: Resolved) -> str:
    values = vars(resolved.settings)
    rows = [("setting", "value", "from")]
    rows += [(name, _text(values[name]), origin) for name, origin in resolved.origins.items()]
    return aligned_table(rows)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value) or "none"
