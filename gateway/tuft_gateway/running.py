"""Runs the gateway in the foreground: before an existing model server, or with one of its own."""

from __future__ import annotations

import logging
import os
import signal
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from prometheus_client import CollectorRegistry

from tuft import Client, load_settings
from tuft.errors import OptionError, SetupError
from tuft.files import data_folder
from tuft.operations.experiments import Experiment, Recorder
from tuft.operations.telemetry import Metrics
from tuft.serve import ServeOptions, background_server, repository_to_serve
from tuft_gateway.accounts.setup import meter_from_arguments
from tuft_gateway.app import create_app
from tuft_gateway.connections import protocol
from tuft_gateway.improve import ReportStore
from tuft_gateway.metering import FreeMeter
from tuft_gateway.options import GatewayOptions
from tuft_gateway.problems import LOG, OncePerMinute

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

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
    meter = meter_from_arguments(arguments)
    if isinstance(meter, FreeMeter) and not options.is_loopback:
        raise OptionError(
            f"Without keys only this machine is served, not {options.host}: make one with `tuft gateway keys add NAME`."
        )
    recorder = recorder_from_arguments(arguments)
    reports = ReportStore(arguments.reports or data_folder() / "reports", recorder)
    settings = load_settings(arguments.config, url=arguments.url, preset=arguments.preset)
    with listening_socket(options) as listener:
        server = HttpServer(listener, options)
        with stopped_by_signals(server), ExitStack() as stack:
            if arguments.serve:
                serve_options = ServeOptions(
                    repository_to_serve(arguments.repository), http_port=0, grpc_port=0, metrics_port=0
                )
                addresses = stack.enter_context(background_server(serve_options, server.stop))
                settings = replace(settings, url=addresses.grpc)
            registry = CollectorRegistry()
            client = stack.enter_context(
                Client.from_settings(settings, observers=[Metrics(registry)], experiment=recorder)
            )
            print(
                f"Serving http://{address_of(listener)} with the models of {settings.url}. Ctrl-C stops it.", flush=True
            )
            server.run(create_app(client, options, meter, registry, reports))
    return _DONE


def options_from_arguments(arguments: argparse.Namespace) -> GatewayOptions:
    """The options that the arguments of the command line set.

    Raises:
        OptionError: A value is out of its range.
    """
    given: dict[str, Any] = {name: getattr(arguments, name) for name in ("host", "port", "concurrency", "queue")}
    known = {name: value for name, value in given.items() if value is not None}
    return GatewayOptions(**known, fetch=not arguments.no_fetch, videos=arguments.videos)


def recorder_from_arguments(arguments: argparse.Namespace) -> Recorder | None:
    """The recorder of the experiment that the command line names, if it names one.

    Raises:
        OptionError: Only one of the definition and the folder is given, or the definition is none.
    """
    definition, folder = arguments.experiment, arguments.experiment_log
    if (definition is None) != (folder is None):
        raise OptionError("--experiment FILE and --experiment-log DIR belong together: give both.")
    return None if definition is None else Recorder(Experiment.from_toml(definition), folder)


def listening_socket(options: GatewayOptions) -> socket.socket:
    """A socket that listens where `options` say, so that a taken port is reported before anything is started.

    Raises:
        SetupError: It cannot listen there.
    """
    try:
        return socket.create_server((options.host, options.port), backlog=1024)
    except OSError as exc:
        reason = os.strerror(exc.errno or 0)
        raise SetupError(
            f"The gateway cannot listen on {options.host}:{options.port} ({reason}): give another --port."
        ) from exc


def address_of(listener: socket.socket) -> str:
    """Host and port of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


class HttpServer:
    """uvicorn on a socket; requests in flight are finished first when it stops."""

    def __init__(self, listener: socket.socket, options: GatewayOptions) -> None:
        self._listener = listener
        self._options = options
        self._server: _Server | None = None
        self._stopping = False

    def run(self, app: FastAPI) -> None:
        """Serves `app` until `stop`, or a signal."""
        # Strangers must not be able to fill the log with their mistakes.
        logging.getLogger("python_multipart").setLevel(logging.ERROR)
        seldom = OncePerMinute()
        LOG.addFilter(seldom)
        config = uvicorn.Config(
            app,
            http=protocol(self._options),
            ws="none",
            log_level="error",
            access_log=False,  # addresses with queries may name pictures of customers
            server_header=False,
            timeout_keep_alive=int(self._options.idle_timeout_s),
            timeout_graceful_shutdown=int(self._options.stop_timeout_s),
        )
        self._server = _Server(config)
        self._server.should_exit = self._stopping
        try:
            self._server.run(sockets=[self._listener])
        finally:
            LOG.removeFilter(seldom)

    def stop(self) -> None:
        """Stops serving, from any thread."""
        self._stopping = True
        if self._server is not None:
            self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn, which after a second Ctrl-C no longer waits for requests, but still closes the application in order."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:
            await self.lifespan.shutdown()


@contextmanager
def stopped_by_signals(server: HttpServer) -> Iterator[None]:
    """SIGINT and SIGTERM stop `server` inside the block.

    uvicorn raises a signal again once it has stopped; with the default handler the program would end there, before the
    model server has.
    """
    before = {number: signal.signal(number, lambda *_: server.stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
