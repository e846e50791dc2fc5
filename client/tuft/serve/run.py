"""Runs a tritonserver: as a context manager, in the foreground or the background, or by hand from a shell."""

from __future__ import annotations

import shlex
import signal
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tuft.errors import SetupError
from tuft.provenance import check_model, check_repository, require_digest
from tuft.serve import compile_cache
from tuft.serve.command import Command, command_from_options
from tuft.serve.deferred_loading import loading_in_background
from tuft.serve.locate import find_tritonserver
from tuft.serve.process import UNLOAD_TIMEOUT_S, ServerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import FrameType

    from tuft.serve.options import ServeOptions, ServerAddresses

    # Makes a process stoppable, by signals or from another thread, inside a `with` block.
    _Stoppable = Callable[[ServerProcess], AbstractContextManager[None]]


@contextmanager
def running_server(options: ServeOptions) -> Iterator[ServerAddresses]:
    """A tritonserver that is ready inside the `with` block and stopped after it.

    It ends with the thread that entered the block, even if that thread is killed.

    Raises:
        IntegrityError: A file to be served differs from the published one; the message names it.
        SetupError: A requirement is missing, or the server cannot start; the message says why.
        ServerTimeoutError: The server is not ready in time.
    """
    command = command_from_options(options, find_tritonserver())
    with _process(command, options) as process:
        process.wait_until_ready(options.ready_timeout_s)
        yield command.addresses


def serve(options: ServeOptions) -> int:
    """Serves in the foreground until the server ends, or SIGINT or SIGTERM ends it.

    The server answers as soon as the default preset's model is ready, and loads the others while it is idle. A deferred
    model that cannot be loaded is left out.

    The server is restarted when the process of a model dies, which is how the kernel reclaims memory, and when
    tritonserver itself crashes, which 24.10 may do when requests are cancelled (triton-inference-server/server#7368).

    Returns:
        The exit code of tritonserver: 0 after a signal to this program, 128 + N if a signal N killed the server.

    Raises:
        IntegrityError: A file to be served differs from the published one; the message names it.
        SetupError: A requirement is missing, or the server cannot start; the message says why.
        ServerTimeoutError: The server is not ready in time.
    """
    return _serve(command_from_options(options, find_tritonserver(), one_first=True), options, _forwarded_signals)


@contextmanager
def background_server(options: ServeOptions, ended: Callable[[], object]) -> Iterator[ServerAddresses]:
    """Serves as `serve` does, while the `with` block runs; the block begins at once, before a model is ready.

    Args:
        options: As for `serve`.
        ended: Called, in another thread, if the server ends by itself; it should make the block end.

    Raises:
        IntegrityError: A file to be served differs from the published one; raised after the block, as those below.
        SetupError: A requirement is missing, or the server cannot start or has ended; the message says why.
        ServerTimeoutError: The server was not ready in time.
    """
    command = command_from_options(options, find_tritonserver(), one_first=True)
    running = _Background(ended)
    # The server ends with the thread that starts it, so it must not be one of a pool.
    thread = threading.Thread(target=running.serve, args=(command, options), name="tuft-serve")
    thread.start()
    try:
        yield command.addresses
    finally:
        running.stop()
        thread.join()
    if running.error is not None:
        raise running.error


class _Background:
    """A server that another thread runs."""

    def __init__(self, ended: Callable[[], object]) -> None:
        self.error: Exception | None = None
        self._ended = ended
        self._process: ServerProcess | None = None
        self._stopping = False
        self._lock = threading.Lock()

    def serve(self, command: Command, options: ServeOptions) -> None:
        """Serves until `stop`; whatever ends it before is kept as `error`."""
        try:
            code = _serve(command, options, self._watched)
            if not self._stopping:
                raise SetupError(f"tritonserver has ended with status {code}: its log may say why.")
        except Exception as error:
            self.error = error
            self._ended()

    def stop(self) -> None:
        """Lets work in flight finish, and ends the server."""
        with self._lock:
            self._stopping = True
            if self._process is not None:
                self._process.terminate()

    @contextmanager
    def _watched(self, process: ServerProcess) -> Iterator[None]:
        with self._lock:
            self._process = process
            if self._stopping:
                process.terminate()
        try:
            yield
        finally:
            with self._lock:
                self._process = None


def _serve(command: Command, options: ServeOptions, stoppable: _Stoppable) -> int:
    """Serves until the server ends and is not to be started anew; returns its exit code."""
    while True:
        code, loading = _serve_once(command, options, stoppable)
        if code is not None and code != -signal.SIGSEGV:
            return code if code >= 0 else 128 - code
        what = (
            "The process of a model died, probably for lack of memory" if code is None else "tritonserver has crashed"
        )
        without = f", without {loading}" if loading else ""
        print(f"{what}: starting the server anew{without}.", flush=True)
        # A model whose loading ended the server would end it again.
        command = replace(command, deferred=tuple(model for model in command.deferred if model != loading))


def _serve_once(command: Command, options: ServeOptions, stoppable: _Stoppable) -> tuple[int | None, str | None]:
    """Serves until the server ends.

    Returns:
        The result of `ServerProcess.wait`, and the deferred model that was being loaded at the end, if any.
    """
    with _process(command, options) as process, stoppable(process):
        print(f"Loading {', '.join(command.models)} with the {command.runtime} runtime ...", flush=True)
        if process.wait_until_ready(options.ready_timeout_s):
            print(_announcement(command, process.log_file), flush=True)
        with loading_in_background(process, command.deferred, options.ready_timeout_s) as loading:
            return process.wait(), loading.model


def shell_command(options: ServeOptions) -> str:
    """The command that `serve` would run, as one line for a shell.

    Raises:
        SetupError: A requirement is missing.
    """
    command = command_from_options(options, find_tritonserver())
    variables = (f"{name}={value}" for name, value in command.environment.items())
    return shlex.join(["env", *variables, *command.arguments] if command.environment else command.arguments)


@contextmanager
def _process(command: Command, options: ServeOptions) -> Iterator[ServerProcess]:
    """Verifies the files and starts the server's process; a temporary log is kept only if the server failed."""
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
        for model in (*command.models, *command.deferred):
            check_model(options.repository / model)


def _temporary_log() -> Path:
    with tempfile.NamedTemporaryFile(prefix="tuft-tritonserver-", suffix=".log", delete=False) as file:
        return Path(file.name)


@contextmanager
def _forwarded_signals(process: ServerProcess) -> Iterator[None]:
    """Forwards SIGINT and SIGTERM: the first one stops the server, the second one kills it."""

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
    follow = f" ({', '.join(command.deferred)} to follow)" if command.deferred else ""
    return (
        f"Serving {', '.join(command.models)}{follow}:\n"
        f"  gRPC     {addresses.grpc}\n"
        f"  HTTP     {addresses.http}\n"
        f"  metrics  {addresses.metrics}\n"
        f"  log      {log_file}\n"
        "Ctrl-C stops it."
    )
