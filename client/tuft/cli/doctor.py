"""`tuft doctor`: what is installed, what answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tuft
from tuft import doctor
from tuft.cli import DONE, FAILED, add_command
from tuft.cli._arguments import add_server_options
from tuft.client import Client

if TYPE_CHECKING:
    import argparse

    from tuft.cli import Commands


def add_to(commands: Commands) -> None:
    """Declares the command."""
    parser = add_command(commands, "doctor", _run, "tell what is installed, what answers and which models are ready")
    add_server_options(parser)


def _run(arguments: argparse.Namespace) -> int:
    settings = tuft.load_settings(arguments.config, url=arguments.url, preset=arguments.preset)
    diagnosis = doctor.examine(settings, lambda: Client(settings.url).transport)
    print(f"{'tuft':<14}{tuft.__version__}\n{diagnosis}")
    return DONE if diagnosis else FAILED
