"""`tuft gateway`: an HTTP service in front of a model server, with remove.bg's protocol and a web page."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tuft.cli._shared import add_command, add_repository, add_server_options
from tuft.errors import SetupError

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "gateway", _run, "serve remove.bg's protocol and a web page over HTTP")
    add_server_options(parser)
    parser.add_argument("--serve", action="store_true", help="start a model server as well")
    add_repository(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on, %(default)s by default")
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="0 for a free one, %(default)s by default")
    parser.add_argument("--concurrency", type=int, metavar="N", help="photographs worked on at once")
    parser.add_argument("--queue", type=int, metavar="N", help="requests that may wait; those beyond are answered 429")
    parser.add_argument("--no-fetch", action="store_true", help="refuse pictures that are named by a URL")


def _run(arguments: argparse.Namespace) -> int:
    # By name: the client must work without the gateway and its libraries.
    try:
        running = import_module("tuft_gateway.running")
    except ModuleNotFoundError as exc:
        raise SetupError(f"The gateway needs {exc.name}: pip install 'tuft-matting[gateway]'.") from exc
    code: int = running.run(arguments)
    return code
