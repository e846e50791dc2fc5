"""`tuft config`: lists each setting, its value, the source of the value, and what it means."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tuft.cli._shared import DONE, add_command, add_server_options, print_error
from tuft.settings import misspelt_variables, resolve
from tuft.settings.descriptions import meanings, public_value, summaries, value_text
from tuft.text import aligned_table

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands
    from tuft.settings import Resolved


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "config", _run, "list the settings, their values, sources and meanings")
    add_server_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(arguments: argparse.Namespace) -> int:
    resolved = resolve({"url": arguments.url, "preset": arguments.preset}, config=arguments.config)
    for variable, meant in misspelt_variables(os.environ).items():
        print_error(f"{variable} sets nothing: did you mean {meant}?")
    print(json.dumps(_document(resolved), indent=2) if arguments.json else _table(resolved))
    return DONE


def _document(resolved: Resolved) -> dict[str, Any]:
    values, known = vars(resolved.settings), meanings()
    return {
        "file": None if resolved.file is None else str(resolved.file),
        "settings": {
            name: {"value": public_value(name, values[name]), "from": origin, "meaning": known.get(name, "")}
            for name, origin in resolved.origins.items()
        },
    }


def _table(resolved: Resolved) -> str:
    values, known = vars(resolved.settings), summaries()
    rows = [("setting", "value", "from", "meaning")]
    rows += [
        (name, value_text(public_value(name, values[name])), origin, known.get(name, ""))
        for name, origin in resolved.origins.items()
    ]
    return aligned_table(rows)
