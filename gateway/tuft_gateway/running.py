"""Runs the gateway in the foreground: before an existing model server, or with one of its own."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from tuft import Client, load_settings
from tuft.errors import OptionError, SetupError
from tuft.serve import ServeOptions, running_server
from tuft_gateway.app import create_app
from tuft_gateway.options import GatewayOptions

if TYPE_CHECKING:
    import argparse

    from fastapi import FastAPI

_DONE: Final = 0


def run(arguments: argparse.Namespace) -> int:
    """Runs `tuft gateway` with its parsed arguments until SIGINT or SIGTERM; returns the exit code.

    Raises:
        OptionError: An argument has no such value.
        SetupError: The port is taken, or the model server cannot start.
    """
    options = options_from_arguments(arguments)
    if arguments.serve and arguments.url is not None:
        raise OptionError("--serve starts a model server and --url names another one: give one of them.")
    if not options.is_loopback:
        raise OptionError(f"Without keys only this machine is served, not {options.host}: leave out --host.")
    with ExitStack() as stack:
        listener = stack.enter_context(listening_socket(options))
        url = arguments.url
        if arguments.serve:
            print("Starting a model server ...", flush=True)
            server = ServeOptions(arguments.repository, http_port=0, grpc_port=0, metrics_port=0)
            url = stack.enter_context(running_server(server)).grpc
        client = Client.from_settings(load_settings(arguments.config, url=url, preset=arguments.preset))
        print(f"Serving http://{address_of(listener)} with the models of {client.settings.url}. Ctrl-C stops it.")
        return serve_app(create_app(client, options), listener, options)


def options_from_arguments(arguments: argparse.Namespace) -> GatewayOptions:
    """The options that the arguments of the command line set.

    Raises:
        OptionError: A value is out of its range.
    """
    given: dict[str, Any] = {name: getattr(arguments, name) for name in ("host", "port", "concurrency", "queue")}
    known = {name: value for name, value in given.items() if value is not None}
    return GatewayOptions(**known, fetch=not arguments.no_fetch)


def listening_socket(options: GatewayOptions) -> socket.socket:
    """A socket that listens where `options` say, so that a taken port is reported before anything is started.

    Raises:
        SetupError: It cannot listen there.
    """
    try:
        return socket.create_server((options.host, options.port), backlog=1024)
    except OSError as exc:
        raise SetupError(
            f"The gateway cannot listen on {options.host}:{options.port} ({exc.strerror}): give another --port."
        ) from exc


def address_of(listener: socket.socket) -> str:
    """Host and port of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


def serve_app(app: FastAPI, listener: socket.socket, options: GatewayOptions) -> int:
    """Serves until SIGINT or SIGTERM; requests in flight are finished first."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses with queries may name pictures of customers
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=int(options.stop_timeout_s),
    )
    uvicorn.Server(config).run(sockets=[listener])
    return _DONE
