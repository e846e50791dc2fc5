"""The client's behaviour when the server or the network fails; the server is a real one.

Every request ends within its deadline and one second (`attempt` asserts that), with a result or a typed error; and when
the fault is over, the next one succeeds. `--junitxml` records the seconds that each test measures.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from support.calling import Caller, wait_until
from support.faulty import (
    DEFECT,
    FIRST_WORD,
    MEMORY_IF_LARGE,
    QUEUE_SIZE,
    SLOW,
    SLOW_IF_LARGE,
    SLOW_S,
    WELL,
    FaultyServer,
    attempt,
    in_flight,
    once_queued,
    seconds_until_served,
    serving_options,
)
from support.out_of_memory import WORDS
from support.proxy import proxied
from support.signals import interruptible
from support.tiny import seal

from tuft import CancelToken, Client, Settings
from tuft.errors import (
    CircuitOpenError,
    InferenceError,
    ModelUnavailableError,
    RequestCancelledError,
    ServerBusyError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from tuft.serve import ServeOptions, running_server, shell_command

pytestmark = pytest.mark.server

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyServer]:
    """Serves all sizes but 2048, with short queues."""
    folder = tmp_path_factory.mktemp("faulty")
    with running_server(serving_options(folder, (384, 1024, 1536))) as addresses:
        yield FaultyServer(addresses, folder / "seen")


@pytest.fixture
def client(server: FaultyServer) -> Iterator[Client]:
    with Client(settings=Settings(url=server.url, timeout_s=10)) as made:
        attempt(made)  # connected
        yield made


@pytest.mark.parametrize("what", [MEMORY_IF_LARGE, *range(FIRST_WORD, FIRST_WORD + len(WORDS))],
                         ids=["Python", *WORDS])  # fmt: skip
def test_out_of_memory_in_anybodys_words(client: Client, what: int) -> None:
    cutout = attempt(client, what, "high").cutout
    assert cutout is not None
    assert (cutout.preset, cutout.requested) == ("standard", "high")
    assert "not enough memory for inspyrenet_1536" in str(cutout.fallback_reason)
    assert isinstance(attempt(client, what, "high", fallback=False).error, ServerOutOfMemoryError)


def test_a_model_that_is_missing(client: Client, record_property: Record) -> None:
    outcome = attempt(client, WELL, "maximum", fallback=False)
    assert isinstance(outcome.error, ModelUnavailableError)
    cutout = attempt(client, WELL, "maximum").cutout
    assert cutout is not None
    assert (cutout.preset, cutout.requested) == ("high", "maximum")
    assert "does not serve inspyrenet_2048" in str(cutout.fallback_reason)
    record_property("known_s", outcome.seconds)
    record_property("recovered_s", seconds_until_served(client))


def test_a_slow_model_is_given_up_at_the_deadline(client: Client, record_property: Record) -> None:
    outcome = attempt(client, SLOW, timeout_s=0.4)
    assert isinstance(outcome.error, ServerTimeoutError)
    record_property("known_s", outcome.seconds)
    record_property("recovered_s", seconds_until_served(client))


def test_a_slow_model_leaves_a_smaller_one_its_time(server: FaultyServer, record_property: Record) -> None:
    settings = Settings(url=server.url, fallback_on=("timeout",))
    with Client(settings=settings) as client:
        outcome = attempt(client, SLOW_IF_LARGE, "high", timeout_s=1.6)
    assert outcome.cutout is not None
    assert outcome.cutout.preset == "standard"
    assert re.search(r"within 0\.[5-8]\d* s", str(outcome.cutout.fallback_reason))  # half, less what resizing took
    record_property("known_s", outcome.seconds)


def test_a_full_queue_is_told_at_once(server: FaultyServer, client: Client, record_property: Record) -> None:
    with in_flight(server, client), ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda _: attempt(client, WELL), range(6)))
    refused = [outcome for outcome in outcomes if outcome.cutout is None]
    assert {type(outcome.error) for outcome in refused} == {ServerBusyError}
    assert len(refused) >= 6 - QUEUE_SIZE - 1
    record_property("known_s", max(outcome.seconds for outcome in refused))
    record_property("recovered_s", seconds_until_served(client))


def test_a_full_queue_is_stepped_round(server: FaultyServer, client: Client) -> None:
    with in_flight(server, client, SLOW_IF_LARGE, preset="high"), ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: attempt(client, SLOW_IF_LARGE, "high"), range(4)))
    served = {outcome.cutout.preset for outcome in outcomes if outcome.cutout is not None}
    assert served == {"high", "standard"}
    assert all(outcome.cutout is not None for outcome in outcomes)


def test_a_model_that_always_fails_is_left_alone_and_tried_again(server: FaultyServer, record_property: Record) -> None:
    with Client(settings=Settings(url=server.url, breaker_failures=3, breaker_probe_s=0.3)) as client:
        assert [type(attempt(client, DEFECT).error) for _ in range(3)] == [InferenceError] * 3
        before = len(server.executions())
        outcome = attempt(client, WELL)
        assert isinstance(outcome.error, CircuitOpenError)
        assert len(server.executions()) == before
        record_property("known_s", outcome.seconds)
        record_property("recovered_s", seconds_until_served(client))


def test_a_request_taken_back_leaves_the_servers_queue(
    server: FaultyServer, client: Client, record_property: Record
) -> None:
    cancel, before = CancelToken(), server.cancelled()
    with in_flight(server, client) as running, once_queued(server, cancel.cancel) as acted_s:
        outcome = attempt(client, DEFECT, cancel=cancel)
        seconds = time.monotonic() - acted_s[0]
    assert isinstance(outcome.error, RequestCancelledError)
    assert running.result().cutout is not None
    wait_until(lambda: server.cancelled() == before + 1)
    assert server.executions()[-1] == SLOW  # the cancelled one was never executed
    record_property("known_s", seconds)


def test_so_it_does_on_ctrl_c(server: FaultyServer, client: Client) -> None:
    before, main = server.cancelled(), threading.main_thread().ident
    assert main == threading.get_ident()
    with (
        interruptible(),
        in_flight(server, client),
        once_queued(server, lambda: signal.pthread_kill(main, signal.SIGINT)),
    ):
        outcome = attempt(client, DEFECT)
    assert isinstance(outcome.error, KeyboardInterrupt)
    wait_until(lambda: server.cancelled() == before + 1)
    assert server.executions()[-1] == SLOW  # the cancelled one was never executed


def test_so_it_does_when_the_client_is_closed(server: FaultyServer, client: Client) -> None:
    before = server.cancelled()
    with Client(settings=client.settings) as other, in_flight(server, client), once_queued(server, other.close):
        assert isinstance(attempt(other, DEFECT).error, RequestCancelledError)
    wait_until(lambda: server.cancelled() == before + 1)
    assert server.executions()[-1] == SLOW


def test_a_connection_that_is_lost_for_a_moment_loses_nothing(server: FaultyServer, record_property: Record) -> None:
    with proxied(server.url) as wire, Client(settings=Settings(url=wire.url, retries=8, timeout_s=10)) as client:
        with in_flight(server, client) as running:
            wire.cut()
            wire.mend()
        outcome = running.result()
        assert outcome.cutout is not None
        assert outcome.cutout.fallback_reason is None
        record_property("recovered_s", outcome.seconds - SLOW_S)


def test_a_connection_that_is_cut(server: FaultyServer, record_property: Record) -> None:
    with proxied(server.url) as wire, Client(settings=Settings(url=wire.url, timeout_s=10)) as client:
        with in_flight(server, client) as running:
            wire.cut()
        assert isinstance(running.result().error, ServerUnreachableError)
        record_property("known_s", running.result().seconds)
        assert isinstance(attempt(client).error, ServerUnreachableError | CircuitOpenError)
        wire.mend()
        record_property("recovered_s", seconds_until_served(client))


def test_a_connection_that_goes_silent(server: FaultyServer, record_property: Record) -> None:
    with proxied(server.url) as wire, Client(settings=Settings(url=wire.url)) as client:
        with in_flight(server, client, timeout_s=1.5) as running:
            wire.stall()
        assert isinstance(running.result().error, ServerTimeoutError)
        record_property("known_s", running.result().seconds)
        wire.mend()
        record_property("recovered_s", seconds_until_served(client))


def test_a_server_that_hangs(server: FaultyServer, client: Client, record_property: Record) -> None:
    hung = server.process
    hung.suspend()
    wait_until(lambda: hung.status() == psutil.STATUS_STOPPED)
    try:
        outcomes = [attempt(client, timeout_s=0.5) for _ in range(2)]
        with Client(settings=Settings(url=server.url)) as newcomer:
            outcomes.append(attempt(newcomer, timeout_s=0.5))
    finally:
        hung.resume()
    assert {type(outcome.error) for outcome in outcomes} == {ServerTimeoutError}
    record_property("known_s", max(outcome.seconds for outcome in outcomes))
    record_property("recovered_s", seconds_until_served(client))


def test_a_server_that_is_killed_and_started_anew(tmp_path: Path, record_property: Record) -> None:
    options = serving_options(tmp_path, (384,))
    with running_server(options) as addresses:
        server = FaultyServer(addresses, tmp_path / "seen")
        client = Client(settings=Settings(url=server.url, timeout_s=10))
        with in_flight(server, client) as running, ThreadPoolExecutor(1) as pool:
            queued = pool.submit(attempt, client)
            server.process.kill()
        outcomes = [running.result(), queued.result(), attempt(client)]
        assert {type(outcome.error) for outcome in outcomes} <= {ServerUnreachableError, CircuitOpenError}
    record_property("known_s", max(outcome.seconds for outcome in outcomes))
    ports = {name: getattr(addresses, name) for name in ("http_port", "grpc_port", "metrics_port")}
    with running_server(ServeOptions(options.repository, log_file=tmp_path / "log", **ports)):
        record_property("recovered_s", seconds_until_served(client))
    client.close()


def test_a_server_that_stops_answers_what_it_has_begun(tmp_path: Path, record_property: Record) -> None:
    with running_server(serving_options(tmp_path, (384,))) as addresses:
        server = FaultyServer(addresses, tmp_path / "seen")
        with Client(settings=Settings(url=server.url, timeout_s=10)) as client:
            with in_flight(server, client) as running:
                server.process.terminate()
                wait_until(lambda: not Caller(server.url).is_alive())
                late = attempt(client)
            assert running.result().cutout is not None
            # Triton unloads its models before it stops to listen.
            assert isinstance(late.error, ServerUnreachableError | ModelUnavailableError)
            record_property("known_s", late.seconds)


def test_the_process_of_a_model_that_is_killed(tmp_path: Path, record_property: Record) -> None:
    """As the kernel does it when memory is short. `tuft serve` starts the server anew; here nobody does."""
    with running_server(serving_options(tmp_path, (1024, 1536))) as addresses:
        server = FaultyServer(addresses, tmp_path / "seen")
        with Client(settings=Settings(url=server.url, timeout_s=10)) as client:
            assert attempt(client, WELL, "high").cutout is not None
            (doomed,) = (child for child in server.process.children() if "1536" in " ".join(child.cmdline()))
            with in_flight(server, client, SLOW_IF_LARGE, preset="high") as running:
                doomed.kill()
            outcomes = [running.result(), attempt(client, WELL, "high")]
            assert all(outcome.cutout is not None for outcome in outcomes)
            assert {outcome.cutout.preset for outcome in outcomes if outcome.cutout} == {"standard"}
            record_property("known_s", max(outcome.seconds for outcome in outcomes))
        server.process.kill()  # Triton 2.51 would wait half a minute for the process that is gone


def test_a_model_that_fails_to_load_beside_one_that_does_not(tmp_path: Path, record_property: Record) -> None:
    """As under a Triton that was told to go on without it."""
    options = serving_options(tmp_path, (384, 1024))
    broken = options.repository / "inspyrenet_1024" / "1"
    (broken / "model.py").write_text("raise RuntimeError('CUDA out of memory')\n")
    seal(broken)
    command = shlex.split(shell_command(options).replace("--exit-on-error=true", "--exit-on-error=false"))
    (port,) = [argument.partition("=")[2] for argument in command if argument.startswith("--grpc-port=")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        try:
            caller = Caller(f"127.0.0.1:{port}")
            wait_until(lambda: caller.is_alive() and caller.client.is_model_ready("inspyrenet_384"))
            with Client(settings=Settings(url=f"127.0.0.1:{port}", timeout_s=10)) as client:
                outcome = attempt(client, WELL, "standard")
                assert isinstance(outcome.error, ModelUnavailableError)
                record_property("known_s", outcome.seconds)
                assert attempt(client).cutout is not None
        finally:
            os.kill(program.pid, signal.SIGKILL)
