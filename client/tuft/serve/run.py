"""Run a tritonserver: as a context for programs, as a command in the foreground, or as text to be run by hand."""

from __future__ import annotations

import shlex
import signal
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuft.provenance import check_model, check_repository, require_digest
from tuft.serve import compile_cache
from tuft.serve.command import Command, command_from_options
from tuft.serve.deferred_loading import loading_later
from tuft.serve.locate import find_tritonserver
from tuft.serve.process import UNLOAD_TIMEOUT_S, ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from tuft.serve.options import ServeOptions, ServerAddresses


@contextmanager
def running_server(options: ServeOptions) -> Iterator[ServerAddresses]:
    """A tritonserver that is ready inside the `with` block and gone after it.

    It ends with the thread that entered the block, even if that is killed.

    Raises:
        IntegrityError: A file of what would be served is not the one that was published; the message names it.
        SetupError: Something is missing, or the server cannot start; the message says what and why.
        ServerTimeoutError: It is not ready in time.
    """
    command = command_from_options(options, find_tritonserver())
    with _process(command, options) as process:
        process.wait_until_ready(options.ready_timeout_s)
        yield command.addresses


def serve(options: ServeOptions) -> int:
    """Serve in the foreground until the server ends, or SIGINT or SIGTERM ends it.

    It answers as soon as the default preset's model is ready, and loads the others when it has nothing else to do; one
    of those that cannot be loaded is left out.

    When the process of a model dies, which is how the kernel takes memory back, or tritonserver itself crashes, which
    24.10 may do when requests are cancelled (triton-inference-server/server#7368), the server is started anew.

    Returns:
        The exit code of tritonserver: 0 after a signal to this program, 128 + N if a signal N killed the server.

    Raises:
        IntegrityError: A file of what would be served is not the one that was published; the message names it.
        SetupError: Something is missing, or the server cannot start; the message says what and why.
        ServerTimeoutError: It is not ready in time.
    """
    command = command_from_options(options, find_tritonserver(), one_first=True)
    while True:
        code, under_way = _serve_once(command, options)
        if code is not None and code != -signal.SIGSEGV:
            return code if code >= 0 else 128 - code
        what = (
            "The process of a model died, probably for lack of memory" if code is None else "tritonserver has crashed"
        )
        without = f", without {under_way}" if under_way else ""
        print(f"{what}: starting the server anew{without}.", flush=True)
        # A model that is the end of the others when it is loaded would be so the next time too.
        command = replace(command, later=tuple(model for model in command.later if model != under_way))


def _serve_once(command: Command, options: ServeOptions) -> tuple[int | None, str | None]:
    """Serve until the server ends.

    Returns:
        What `ServerProcess.wait` returns, and the model that was being loaded beside others at the end, if one was.
    """
    with _process(command, options) as process, _forwarded_signals(process):
        print(f"Loading {', '.join(command.models)} with the {command.runtime} runtime ...", flush=True)
        if process.wait_until_ready(options.ready_timeout_s):
            print(_announcement(command, process.log_file), flush=True)
        with loading_later(process, command.later, options.ready_timeout_s) as loading:
            return process.wait(), loading.model


def shell_command(options: ServeOptions) -> str:
    """What `serve` would run, as one line for a shell.

    Raises:
        SetupError: Something is missing.
    """
    command = command_from_options(options, find_tritonserver())
    variables = (f"{name}={value}" for name, value in command.environment.items())
    return shlex.join(["env", *variables, *command.arguments] if command.environment else command.arguments)


@contextmanager
def _process(command: Command, options: ServeOptions) -> Iterator[ServerProcess]:
    """The server's process, on verified files; its log is kept if it was asked for, or if something went wrong."""
    _verify(command, options)
    if folder := command.environment.get(compile_cache.VARIABLE):
        compile_cache.prepare(Path(folder))
    log_file = options.log_file or _temporary_log()
    process = ServerProcess(command, log_file)
    try:
        yield process
    finally:
        code = process.stop(options.stop_timeout_s + UNLOAD_TIMEOUT_S)
    if code == 0 and options.log_file is None:
        log_file.unlink()


def _verify(command: Command, options: ServeOptions) -> None:
    if options.digest is not None:
        require_digest(check_repository(options.repository), options.digest)
    else:
        for model in (*command.models, *command.later):
            check_model(options.repository / model)


def _temporary_log() -> Path:
    with tempfile.NamedTemporaryFile(prefix="tuft-tritonserver-", suffix=".log", delete=False) as file:
        return Path(file.name)


@contextmanager
def _forwarded_signals(process: ServerProcess) -> Iterator[None]:
    """SIGINT and SIGTERM end the server, a second one by force, instead of this program, which then ends by itself."""

    def forward(_number: int, _frame: FrameType | None) -> None:
        if process.terminating:
            process.kill()
        else:
            process.terminate()

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _announcement(command: Command, log_file: Path) -> str:
    addresses = command.addresses
    follow = f" ({', '.join(command.later)} to follow)" if command.later else ""
    return (
        f"Serving {', '.join(command.models)}{follow}:\n"
        f"  gRPC     {addresses.grpc}\n"
        f"  HTTP     {addresses.http}\n"
        f"  metrics  {addresses.metrics}\n"
        f"  log      {log_file}\n"
        "Ctrl-C stops it."
    )
