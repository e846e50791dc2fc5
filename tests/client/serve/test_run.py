"""A server is started only on the files that were published."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.tiny import seal, tiny_repository

from tuft.errors import IntegrityError
from tuft.provenance import check_repository, repository_digest
from tuft.serve import RUNTIMES, ServeOptions, running_server, serve
from tuft.serve.deferred_loading import Loading
from tuft.serve.locate import Tritonserver

SERVER = Tritonserver(Path("/opt/tritonserver"), RUNTIMES, (), {}, is_wheel=False)


class FakeProcess:
    """A server that is ready at once and ends when it is stopped."""

    started: list[Any]
    terminating = False

    def __init__(self, command: Any, log_file: Path) -> None:
        self.log_file = log_file
        self.started.append(command)

    def wait_until_ready(self, _timeout_s: float) -> bool:
        return True

    def processor_s(self) -> float:
        return 0.0

    def wait(self) -> int:
        return 0

    def stop(self, _timeout_s: float) -> int:
        return 0


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    module = sys.modules["tuft.serve.run"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(FakeProcess, "started", [], raising=False)
    monkeypatch.setattr(module, "find_tritonserver", lambda: SERVER)
    monkeypatch.setattr(module, "ServerProcess", FakeProcess)
    return FakeProcess.started


@pytest.fixture
def options(tmp_path: Path) -> ServeOptions:
    repository = tiny_repository(tmp_path / "models", sizes=(384, 1024))
    return ServeOptions(
        repository, "python", http_port=0, grpc_port=0, metrics_port=0, log_file=tmp_path / "log"
    )  # fmt: skip


def test_a_sound_repository_is_served(options: ServeOptions, started: list[Any]) -> None:
    assert serve(options) == 0
    with running_server(options):
        pass
    assert [(command.models, command.deferred) for command in started] == [
        (("inspyrenet_1024",), ("inspyrenet_384",)),  # the default preset's model first
        (("inspyrenet_384", "inspyrenet_1024"), ()),
    ]


@pytest.mark.parametrize(
    "name", ["1/model.onnx", "1/model.py", "1/provenance.json", "config.pbtxt", "configs/python.pbtxt", "warmup/image"]
)
def test_a_tampered_file_is_named_before_anything_starts(options: ServeOptions, started: list[Any], name: str) -> None:
    path = options.repository / "inspyrenet_1024" / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(IntegrityError, match=f"{path} .*: publish the model again"):
        serve(options)
    with pytest.raises(IntegrityError), running_server(options):
        pass
    assert started == []


def test_a_version_without_provenance_is_refused(options: ServeOptions, started: list[Any]) -> None:
    (options.repository / "inspyrenet_384" / "1" / "provenance.json").unlink()
    with pytest.raises(IntegrityError, match=r"384/1/provenance\.json is missing: publish the model again\.$"):
        serve(options)
    assert started == []


def test_what_is_not_loaded_is_not_asked_for(options: ServeOptions, started: list[Any]) -> None:
    (options.repository / "inspyrenet_1024" / "1" / "model.py").write_text("# tampered with")
    assert serve(replace(options, sizes=(384,))) == 0
    assert len(started) == 1


def test_a_digest_pins_the_whole_repository(options: ServeOptions, started: list[Any]) -> None:
    digest = repository_digest(check_repository(options.repository))
    assert serve(replace(options, digest=digest)) == 0
    seal(options.repository / "inspyrenet_1024" / "1")  # the same files, published once more
    with pytest.raises(IntegrityError, match=f"instead of {digest}"):
        serve(replace(options, digest=digest, sizes=(384,)))
    assert len(started) == 1


def test_a_server_that_is_started_anew_is_verified_anew(
    options: ServeOptions, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = options.repository / "inspyrenet_384" / "1" / "model.py"

    def lose_a_model(_: FakeProcess) -> None:
        model.write_text("# tampered with")

    monkeypatch.setattr(FakeProcess, "wait", lose_a_model)
    with pytest.raises(IntegrityError, match=r"model\.py is not the file"):
        serve(options)
    assert len(started) == 1


@pytest.mark.parametrize("end", [None, -signal.SIGSEGV], ids=["a model's process died", "crash"])
def test_a_model_that_is_the_end_of_others_is_left_out_the_next_time(
    options: ServeOptions, started: list[Any], monkeypatch: pytest.MonkeyPatch, end: int | None
) -> None:
    ends = [(end, None), (end, "inspyrenet_384"), (0, None)]

    @contextmanager
    def loading_in_background(*_: Any) -> Iterator[Loading]:
        yield Loading(ends[len(started) - 1][1])

    monkeypatch.setattr(sys.modules["tuft.serve.run"], "loading_in_background", loading_in_background)
    monkeypatch.setattr(FakeProcess, "wait", lambda _: ends[len(started) - 1][0])
    assert serve(options) == 0
    assert [command.deferred for command in started] == [("inspyrenet_384",), ("inspyrenet_384",), ()]


def test_the_folder_of_compiled_graphs_is_made_if_it_is_wanted(
    options: ServeOptions, started: list[Any], tmp_path: Path
) -> None:
    assert serve(replace(options, keep_compiled=False)) == 0
    assert not (tmp_path / "cache").exists()
    assert serve(options) == 0
    assert (tmp_path / "cache" / "tuft" / "compiled").is_dir()
