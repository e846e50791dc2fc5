"""Starting, stopping and dying: what is said, and what is left behind."""

from __future__ import annotations

import shlex
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from support.calling import Caller, random_images, wait_until
from support.serving import announcement, loading_model, model_processes, serving
from support.tiny import misbehaving_model, seal, tiny_repository

from tuft.errors import IntegrityError, ServerTimeoutError, SetupError
from tuft.serve import ServeOptions, running_server, shell_command

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("nothing_left_behind")]


def slow_model(begun: Path, seconds: float) -> str:
    """Source of a model.py that creates the file `begun` and sleeps, but not for the black warm-up image."""
    return misbehaving_model(f"images.max() and (open({str(begun)!r}, 'w').close(), time.sleep({seconds}))")


@pytest.fixture
def options(tmp_path: Path) -> ServeOptions:
    return ServeOptions(tiny_repository(tmp_path / "repository"), http_port=0, grpc_port=0, metrics_port=0)


def test_a_second_start_on_the_same_ports_works_at_once(options: ServeOptions) -> None:
    with running_server(options) as first:
        assert Caller(first.grpc).is_alive()
    again = ServeOptions(
        options.repository, None, None, "localhost", first.http_port, first.grpc_port, first.metrics_port
    )
    with running_server(again) as second:
        assert second == first
        assert Caller(second.grpc).ask(random_images(1)).shape == (1, 384, 384)


def test_a_second_server_on_the_same_port_names_it(options: ServeOptions) -> None:
    with running_server(options) as addresses:
        taken = ServeOptions(options.repository, grpc_port=addresses.grpc_port, http_port=0, metrics_port=0)
        with pytest.raises(SetupError, match=f"127.0.0.1:{addresses.grpc_port} for grpc"), running_server(taken):
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_after_the_work_in_flight(tmp_path: Path, number: signal.Signals) -> None:
    model = slow_model(tmp_path / "begun", 2.0)
    repository = tiny_repository(tmp_path / "repository", model=model)
    options = ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)
    with serving(options) as (program, caller):
        answers: list[np.ndarray] = []
        asking = threading.Thread(target=lambda: answers.append(caller.ask(random_images(1))))
        asking.start()
        wait_until((tmp_path / "begun").exists)
        program.send_signal(number)
        assert program.wait(timeout=30) == 0
        asking.join()
        assert [answer.shape for answer in answers] == [(1, 384, 384)]


def test_a_second_signal_ends_it_by_force(tmp_path: Path) -> None:
    model = slow_model(tmp_path / "begun", 60.0)
    repository = tiny_repository(tmp_path / "repository", model=model)
    options = ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)
    with serving(options) as (program, caller):
        asking = threading.Thread(target=caller.ask_at_once, args=[[random_images(1)]])
        asking.start()
        wait_until((tmp_path / "begun").exists)
        program.send_signal(signal.SIGINT)
        time.sleep(1.0)  # signals that arrive together count as one
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=10) == 128 + signal.SIGKILL
        asking.join()


def test_no_server_outlives_a_program_that_is_killed(options: ServeOptions) -> None:
    with serving(options) as (program, caller):
        family = psutil.Process(program.pid).children(recursive=True)
        assert len(family) == 2  # tritonserver and the model's process
        program.kill()
        psutil.wait_procs(family, timeout=20)
        assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
        assert not caller.is_alive()


def test_no_process_of_a_model_outlives_a_server_that_is_killed(options: ServeOptions) -> None:
    with serving(options) as (program, _):
        (server,) = psutil.Process(program.pid).children()
        server.kill()
        assert program.wait(timeout=20) == 128 + signal.SIGKILL


def test_the_server_is_started_anew_when_a_model_dies(options: ServeOptions) -> None:
    """What the kernel does when memory is short; Triton 2.51 would fail every request from then on."""
    with serving(options) as (program, caller):
        (process,) = model_processes(program)
        process.kill()
        assert "starting the server anew" in announcement(program)[0]
        assert caller.ask(random_images(1)).shape == (1, 384, 384)
        program.terminate()
        assert program.wait(timeout=30) == 0


def test_the_server_is_started_anew_when_it_crashes(options: ServeOptions) -> None:
    """The wheel's does so now and then, when requests are cancelled while they are computed."""
    with serving(options) as (program, caller):
        (server,) = psutil.Process(program.pid).children()
        server.send_signal(signal.SIGSEGV)
        assert "has crashed" in announcement(program)[0]
        assert caller.ask(random_images(1)).shape == (1, 384, 384)
        program.terminate()
        assert program.wait(timeout=30) == 0


def test_compiled_graphs_are_kept_for_the_next_start(
    options: ServeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiled = tmp_path / "cache" / "tuft" / "compiled"
    kept = []
    for _ in range(2):
        with running_server(options) as addresses:
            assert Caller(addresses.grpc).ask(random_images(1)).shape == (1, 384, 384)
        kept.append({file.name: file.stat().st_mtime_ns for file in compiled.iterdir()})
    assert len(kept[0]) == 1
    assert kept[0] == kept[1]


@pytest.mark.parametrize("keep_compiled", [False, True], ids=["not wanted", "impossible"])
def test_without_a_folder_for_compiled_graphs_all_is_well(
    options: ServeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_compiled: bool
) -> None:
    cache = tmp_path / "cache" / "tuft"
    cache.mkdir(parents=True)
    (cache / "compiled").write_text("A file, not a folder.")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    monkeypatch.setenv("TUFT_COMPILED", str(tmp_path / "inherited"))
    with running_server(replace(options, keep_compiled=keep_compiled)) as addresses:
        assert Caller(addresses.grpc).ask(random_images(1)).shape == (1, 384, 384)
    assert (cache / "compiled").read_text() == "A file, not a folder."
    assert not (tmp_path / "inherited").exists()


def test_a_model_that_dies_while_it_is_loaded_is_a_failure_to_start(tmp_path: Path) -> None:
    repository = tiny_repository(tmp_path, model=loading_model("os.abort()"))
    options = ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)
    with pytest.raises(SetupError, match="process of a model died"), running_server(options):
        pass


def test_a_broken_graph_is_one_line(options: ServeOptions) -> None:
    version = options.repository / "inspyrenet_384" / "1"
    (version / "model.onnx").write_text("hello")
    seal(version)
    with pytest.raises(SetupError) as failure, running_server(options):
        pass
    message = str(failure.value)
    assert message.startswith("tritonserver could not start: OpenVINO cannot load ")
    assert "\n" not in message
    log = Path(message.rpartition("in ")[2].removesuffix(")."))
    assert "failed to load" in log.read_text()
    log.unlink()


def test_a_served_model_leaves_no_compiled_python_which_would_be_refused(options: ServeOptions) -> None:
    before = set(options.repository.rglob("*"))
    for _ in range(2):
        with running_server(options) as addresses:
            assert Caller(addresses.grpc).ask(random_images(1)).shape == (1, 384, 384)
    assert set(options.repository.rglob("*")) == before


def test_a_tampered_model_is_named_and_never_started(options: ServeOptions) -> None:
    model = options.repository / "inspyrenet_384" / "1" / "model.py"
    model.write_text(model.read_text() + "\n")
    with pytest.raises(IntegrityError, match=f"^{model} is not the file that was published"), running_server(options):
        pass


def test_a_missing_warm_up_picture_is_named(options: ServeOptions, tmp_path: Path) -> None:
    folder = options.repository / "inspyrenet_384"
    warm_up = (folder / "configs" / "openvino.pbtxt").read_text().partition("model_warmup")
    with (folder / "configs" / "python.pbtxt").open("a") as configuration:
        configuration.write("".join(warm_up[1:]))
    (folder / "warmup" / "image").unlink()
    seal(options.repository / "inspyrenet_384" / "1")
    logged = ServeOptions(options.repository, http_port=0, grpc_port=0, metrics_port=0, log_file=tmp_path / "log")
    with (
        pytest.raises(SetupError, match=r"inspyrenet_384/warmup/image: No such file.*in .*/log\)\.$"),
        running_server(logged),
    ):
        pass


def test_a_server_that_is_not_ready_in_time_is_stopped(tmp_path: Path) -> None:
    options = ServeOptions(
        tiny_repository(tmp_path / "r", model=loading_model("time.sleep(5)")), http_port=0, grpc_port=0, metrics_port=0,
        ready_timeout_s=2.0, log_file=tmp_path / "log",
    )  # fmt: skip
    with pytest.raises(ServerTimeoutError, match="was not ready within 2 s"), running_server(options):
        pass


def test_the_shell_command_works_by_hand(options: ServeOptions) -> None:
    command = shlex.split(shell_command(options))
    (port,) = [argument.partition("=")[2] for argument in command if argument.startswith("--grpc-port=")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        caller = Caller(f"127.0.0.1:{port}")
        wait_until(lambda: caller.is_alive() and caller.client.is_server_ready())
        assert caller.ask(random_images(1)).shape == (1, 384, 384)
        server.terminate()
        assert server.wait(timeout=30) == 0


def test_a_whole_repository_needs_two_options_only(tmp_path: Path) -> None:
    """`tritonserver --model-repository model_repository --model-config-name=python`, as the README has it."""
    repository = tiny_repository(tmp_path, sizes=(384, 1024, 1536, 2048))
    (repository / "README.md").touch()
    options = ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)
    command = shlex.split(shell_command(options))
    kept = ("--backend-directory", "--cache-directory", "--http-", "--grpc-", "--metrics-")
    start = next(i for i, word in enumerate(command) if word.endswith("bin/tritonserver")) + 1
    arguments = [word for word in command[start:] if word.startswith(kept) and "restricted" not in word]
    (port,) = [word.partition("=")[2] for word in arguments if word.startswith("--grpc-port=")]
    by_hand = [*command[:start], *arguments, "--model-repository", str(repository), "--model-config-name=python"]
    with subprocess.Popen(by_hand, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        caller = Caller(f"127.0.0.1:{port}")
        wait_until(lambda: caller.is_alive() and caller.client.is_server_ready())
        for size in (384, 1024, 1536, 2048):
            assert caller.client.get_model_config(f"inspyrenet_{size}").config.backend == "python"
        server.terminate()
        assert server.wait(timeout=30) == 0
