"""`tuft demo`: every preset on sample photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuft.cli import DONE, add_command
from tuft.cli._arguments import add_repository
from tuft.demo import DemoOptions, demo
from tuft.serve import ServeOptions, running_server

if TYPE_CHECKING:
    import argparse

    from tuft.cli import Commands


def add_to(commands: Commands) -> None:
    """Declares the command."""
    parser = add_command(commands, "demo", _run, "show every preset on sample photographs, on one page")
    parser.add_argument("photos", nargs="*", type=Path, metavar="PHOTO", help="photographs of your own instead")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/demo"), metavar="OUT", help="%(default)s")
    parser.add_argument("--url", help="a running server's gRPC address; by default one is started")
    add_repository(parser)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.url is None:
        options = ServeOptions(arguments.repository, http_port=0, grpc_port=0, metrics_port=0)
        print("Starting a server ...", flush=True)
        with running_server(options) as addresses:
            page = demo(DemoOptions(addresses.grpc, tuple(arguments.photos), arguments.output))
    else:
        page = demo(DemoOptions(arguments.url, tuple(arguments.photos), arguments.output))
    print(f"The cut-outs and the page that shows them are in {page.parent}: open {page}")
    return DONE
