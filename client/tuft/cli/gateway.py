"""`tuft gateway`: an HTTP service in front of a model server, with remove.bg's protocol and a web page."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tuft.cli._shared import add_command, add_repository, add_server_options
from tuft.errors import SetupError

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands, Run


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "gateway",
        _lazily("tuft_gateway.running", "run"),
        "serve remove.bg's protocol and a web page over HTTP",
    )
    add_server_options(parser)
    parser.add_argument("--serve", action="store_true", help="start a model server as well")
    add_repository(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on, %(default)s by default")
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="0 for a free one, %(default)s by default")
    parser.add_argument("--concurrency", type=int, metavar="N", help="photographs worked on at once")
    parser.add_argument("--queue", type=int, metavar="N", help="requests that may wait; those beyond are answered 429")
    _add_accounts(parser)
    parser.add_argument("--no-fetch", action="store_true", help="refuse pictures that are named by a URL")
    parser.add_argument("--videos", action="store_true", help="cut out videos, too: POST /v1/videos")
    _add_keys(parser)


def _add_accounts(parser: argparse.ArgumentParser) -> None:
    _add_database(parser)
    parser.add_argument("--limits", metavar="URL", help="where rates are counted: memory:// (default) or redis://..., "
                        "shared by several gateways; better in TUFT_GATEWAY_LIMITS")  # fmt: skip
    parser.add_argument("--megapixels-per-minute", type=int, metavar="N", help="rate limit of each key, 500 by default")
    parser.add_argument("--price", action="append", metavar="PRESET=CREDITS",
                        help="price of a preset, 1 credit by default; may be repeated")  # fmt: skip
    parser.add_argument("--reports", type=Path, metavar="DIR", help="where reports of bad results are kept")
    parser.add_argument("--experiment", type=Path, metavar="FILE", help="experiment in which each key is a unit")
    parser.add_argument("--experiment-log", type=Path, metavar="DIR", help="where that experiment is recorded")


def _add_database(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database", metavar="URL", help="keys and credits: sqlite:////FILE or postgresql://..., "
                        "which gateways share; better in TUFT_GATEWAY_DATABASE; "
                        "by default this user's file")  # fmt: skip


def _add_keys(gateway: argparse.ArgumentParser) -> None:
    actions = gateway.add_subparsers(title="commands", metavar="keys")
    keys = actions.add_parser("keys", help="make, list and revoke keys", description="Make, list and revoke keys.")
    commands = keys.add_subparsers(title="commands", required=True, metavar="ACTION")
    add = add_command(commands, "add", _lazily("tuft_gateway.accounts.commands", "add"), "make a key and print it")
    add.add_argument("name", metavar="NAME", help="of its owner")
    add.add_argument("--credits", metavar="N", help="credits a month; without a limit by default")
    show = add_command(commands, "list", _lazily("tuft_gateway.accounts.commands", "show"), "list keys and their use")
    revoke = add_command(commands, "revoke", _lazily("tuft_gateway.accounts.commands", "revoke"), "revoke a key")
    revoke.add_argument("id", metavar="ID", help="as `tuft gateway keys list` shows it")
    for parser in (add, show, revoke):
        _add_database(parser)


def _lazily(module: str, function: str) -> Run:
    """A function of the gateway, by name: the client must work without the gateway and its libraries."""

    def run(arguments: argparse.Namespace) -> int:
        try:
            found = import_module(module)
        except ModuleNotFoundError as exc:
            raise SetupError(f"The gateway needs {exc.name}: pip install 'tuft-matting[gateway]'.") from exc
        code: int = getattr(found, function)(arguments)
        return code

    return run
