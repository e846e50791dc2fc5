"""`tuft serve`: runs a model server until it is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuft import contract
from tuft.cli._shared import DONE, add_command, add_repository
from tuft.serve import ServeOptions, serve, shell_command
from tuft.serve.discovery import repository_to_serve

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "serve", _run, "start a model server and wait")
    parser.epilog = (
        "The variable TUFT_KEY is the key to the server's model control, at least 32 signs of A-Z, a-z, 0-9, '.', '_' "
        "and '-' (openssl rand -hex 32): `tuft rollout` and clients with shared memory need the same one. Without it, "
        "each start makes a key of its own, which no other program has."
    )
    add_repository(parser)
    parser.add_argument(
        "--runtime", choices=contract.RUNTIMES, help="by default the best that is published and runs here"
    )
    parser.add_argument("--sizes", type=int, nargs="+", choices=contract.SIZES, help="by default all published")
    defaults = ServeOptions(Path())
    parser.add_argument("--host", default=defaults.host, help="address to listen on, %(default)s by default")
    for name in ("http_port", "grpc_port", "metrics_port"):
        default = getattr(defaults, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, metavar="N", help=str(default))
    parser.add_argument("--log", type=Path, metavar="FILE", help="file for tritonserver's output")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    parser.add_argument("--digest", metavar="SHA256", help="serve the repository only if it has this digest, "
                        "as printed by `tuft-export verify`")  # fmt: skip
    parser.add_argument("--no-compiled-cache", action="store_true", help="compile the models again at each start")
    parser.add_argument("--shared-memory", action="store_true", help="let clients on this machine that have TUFT_KEY "
                        "pass pictures through shared memory")  # fmt: skip
    parser.add_argument("--print", action="store_true", help="print the command for a shell instead of running it")


def _run(arguments: argparse.Namespace) -> int:
    options = ServeOptions(
        repository=repository_to_serve(arguments.repository),
        runtime=arguments.runtime,
        sizes=tuple(arguments.sizes) if arguments.sizes else None,
        host=arguments.host,
        http_port=arguments.http_port,
        grpc_port=arguments.grpc_port,
        metrics_port=arguments.metrics_port,
        log_file=arguments.log,
        log_verbose=arguments.verbose,
        digest=arguments.digest,
        keep_compiled=not arguments.no_compiled_cache,
        shared_memory=arguments.shared_memory,
    )
    if arguments.print:
        print(shell_command(options))
        return DONE
    return serve(options)
