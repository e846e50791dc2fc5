from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.tiny import tiny_repository

from tuft.errors import SetupError
from tuft.serve import RUNTIMES, ServeOptions
from tuft.serve.command import command_from_options
from tuft.serve.locate import Tritonserver

WHEEL = Tritonserver(Path("/wheel/tritonserver"), ("python",), ("--own=1",), {"PATH": "/venv/bin"}, is_wheel=True)
FULL = Tritonserver(Path("/opt/tritonserver"), RUNTIMES, (), {}, is_wheel=False)


@pytest.fixture
def options(tmp_path: Path) -> ServeOptions:
    return ServeOptions(tiny_repository(tmp_path / "r", sizes=(384, 1024)), http_port=0, grpc_port=0, metrics_port=0)


def values(arguments: tuple[str, ...], name: str) -> list[str]:
    return [argument.partition("=")[2] for argument in arguments if argument.partition("=")[0] == name]


def test_published_models_are_loaded_and_no_others(options: ServeOptions) -> None:
    command = command_from_options(options, WHEEL)
    assert command.arguments[:2] == ("/wheel/tritonserver", "--own=1")
    assert values(command.arguments, "--model-repository") == [str(options.repository)]
    assert values(command.arguments, "--model-control-mode") == ["explicit"]
    assert values(command.arguments, "--load-model") == ["inspyrenet_384", "inspyrenet_1024"] == list(command.models)
    assert values(command.arguments, "--model-config-name") == ["python"] == [command.runtime]
    assert command.deferred == ()
    assert values(command.arguments, "--strict-readiness") == ["true"]


@pytest.mark.parametrize(
    ("published", "wanted", "first", "later"),
    [
        ((384, 1024, 1536, 2048), None, "inspyrenet_1024", ("inspyrenet_384", "inspyrenet_1536", "inspyrenet_2048")),
        ((384, 1024), (1024,), "inspyrenet_1024", ()),
        ((384, 1536, 2048), (2048, 384), "inspyrenet_2048", ("inspyrenet_384",)),
        ((1536,), None, "inspyrenet_1536", ()),
    ],
)
def test_the_default_presets_model_may_come_first(
    tmp_path: Path, published: tuple[int, ...], wanted: tuple[int, ...] | None, first: str, later: tuple[str, ...]
) -> None:
    repository = tiny_repository(tmp_path / "r", sizes=published)
    options = ServeOptions(repository, sizes=wanted, http_port=0, grpc_port=0, metrics_port=0)
    command = command_from_options(options, WHEEL, one_first=True)
    assert (command.models, command.deferred) == ((first,), later)
    assert values(command.arguments, "--load-model") == [first]
    # The server is ready for this model while it loads another one.
    assert values(command.arguments, "--strict-readiness") == ["false" if later else "true"]


def test_compiled_graphs_are_kept_in_the_cache_of_tuft_or_not_at_all(
    options: ServeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = str(tmp_path / "cache" / "tuft" / "compiled")
    assert command_from_options(options, WHEEL).environment == {"PATH": "/venv/bin", "TUFT_COMPILED": folder}
    # Empty, because the environment of this program may set it.
    without = command_from_options(replace(options, keep_compiled=False), WHEEL)
    assert without.environment == {"PATH": "/venv/bin", "TUFT_COMPILED": ""}
    (options.repository / "inspyrenet_384" / "1" / "model.plan").touch()
    assert command_from_options(replace(options, runtime="tensorrt"), FULL).environment == {}


def test_tensorrt_is_the_configuration_without_a_name(options: ServeOptions) -> None:
    (options.repository / "inspyrenet_384" / "1" / "model.plan").touch()
    command = command_from_options(replace(options, runtime="tensorrt"), FULL)
    assert values(command.arguments, "--model-config-name") == []
    assert command.models == ("inspyrenet_384",)


def test_every_listener_is_bound_to_the_host(options: ServeOptions) -> None:
    command = command_from_options(replace(options, host="127.0.0.2"), WHEEL)
    for listener in ("http", "grpc", "metrics"):
        assert values(command.arguments, f"--{listener}-address") == ["127.0.0.2"]


def restricted(arguments: tuple[str, ...]) -> dict[str, str]:
    """From each restricted API to the key that opens it."""
    http, grpc = (values(arguments, f"--{name}") for name in ("http-restricted-api", "grpc-restricted-protocol"))
    assert http == grpc
    found = {}
    for group in http:
        apis, _, key = group.partition(":tuft-key=")
        found.update(dict.fromkeys(apis.split(","), key))
    return found


def test_nobody_can_load_other_code_into_the_server(options: ServeOptions) -> None:
    keys = set()
    for _ in range(2):
        command = command_from_options(options, WHEEL)
        opens = restricted(command.arguments)
        assert set(opens) == {"model-repository", "shared-memory", "trace", "logging"}
        assert {opens.pop("shared-memory") == command.key, *opens.values()} == {False, command.key}
        keys.add(command.key)
    assert len(keys) == 2  # a secret that is new at each start


def test_shared_memory_is_opened_by_the_key_only_if_that_is_wanted(
    options: ServeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUFT_KEY", "k" * 32)
    closed = command_from_options(options, WHEEL).arguments
    assert restricted(closed)["shared-memory"] not in ("", "k" * 32)
    allowing = replace(options, shared_memory=True, runtime="python")
    for server, switch in ((WHEEL, []), (FULL, ["true"])):
        arguments = command_from_options(allowing, server).arguments
        assert set(restricted(arguments).values()) == {"k" * 32}
        assert values(arguments, "--allow-client-shm") == switch
    monkeypatch.delenv("TUFT_KEY")
    with pytest.raises(SetupError, match="TUFT_KEY is not set"):
        command_from_options(allowing, WHEEL)


def test_port_0_is_three_free_ports(options: ServeOptions) -> None:
    addresses = command_from_options(options, WHEEL).addresses
    ports = [addresses.http_port, addresses.grpc_port, addresses.metrics_port]
    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))


@pytest.mark.parametrize("listener", ["http", "grpc", "metrics"])
def test_a_port_that_is_taken_is_named(options: ServeOptions, listener: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError) as failure:
            command_from_options(replace(options, **{f"{listener}_port": port}), WHEEL)
    assert f"cannot listen on 127.0.0.1:{port} for {listener} (Address already in use)" in str(failure.value)
    assert f"--{listener}-port" in str(failure.value)


def test_the_unpatched_server_is_not_exposed_but_a_full_one_may_be(options: ServeOptions) -> None:
    exposed = replace(options, host="0.0.0.0", runtime="python")
    with pytest.raises(SetupError, match=r"must not listen on 0\.0\.0\.0: keep to 127\.0\.0\.1"):
        command_from_options(exposed, WHEEL)
    assert command_from_options(exposed, FULL).addresses.host == "0.0.0.0"


def test_a_runtime_that_the_server_does_not_have(options: ServeOptions) -> None:
    with pytest.raises(SetupError, match="has no tensorrt backend, only python"):
        command_from_options(replace(options, runtime="tensorrt"), WHEEL)


@pytest.mark.parametrize(("free_mib", "fits"), [(64, True), (60, False)])
def test_shared_memory_must_hold_an_image_of_each_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mib: int, fits: bool
) -> None:
    """64 MiB, the default of a container, is just enough for all four sizes."""
    repository = tiny_repository(tmp_path / "r", sizes=(384, 1024, 1536, 2048))
    options = ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)
    status: Any = SimpleNamespace(f_bavail=free_mib * 256, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _folder: status)
    if fits:
        assert command_from_options(options, WHEEL).models
    else:
        with pytest.raises(SetupError, match=r"has 60 MiB free: .*--shm-size=256m.*--sizes\.$"):
            command_from_options(options, WHEEL)


def test_adopted_models_are_loaded_unless_sizes_are_named(options: ServeOptions) -> None:
    folder = options.repository / "isnet_96"
    for file in ("configs/python.pbtxt", "1/model.onnx", "1/model.py", "1/provenance.json", "warmup/image"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    command = command_from_options(options, WHEEL)
    assert values(command.arguments, "--load-model") == ["inspyrenet_384", "inspyrenet_1024", "isnet_96"]
    assert command.models == ("inspyrenet_384", "inspyrenet_1024", "isnet_96")
    assert command_from_options(replace(options, sizes=(384,)), WHEEL).models == ("inspyrenet_384",)
    assert command_from_options(options, WHEEL, one_first=True).deferred == ("inspyrenet_384", "isnet_96")


def test_shared_memory_must_hold_an_image_of_each_adopted_model(
    options: ServeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """384 and 1024 need 15 MiB, and another model of 2048 pixels 31 MiB."""
    folder = options.repository / "isnet_2048"
    for file in ("configs/python.pbtxt", "1/model.onnx", "1/model.py", "1/provenance.json", "warmup/image"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    status: Any = SimpleNamespace(f_bavail=40 * 256, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _folder: status)
    assert "isnet_2048" in command_from_options(options, WHEEL).models
    with (folder / "warmup" / "image").open("wb") as image:
        image.truncate(2048 * 2048 * 3)
    with pytest.raises(SetupError, match=r"has 40 MiB free"):
        command_from_options(options, WHEEL)


def test_the_callers_key_is_used_and_kept_from_models(options: ServeOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUFT_KEY", "k" * 32)
    command = command_from_options(options, WHEEL)
    assert command.key == "k" * 32
    assert command.environment["TUFT_KEY"] == ""


@pytest.mark.parametrize("key", ["k" * 31, "k" * 32 + ",", "k" * 32 + "\n"])
def test_a_weak_key_is_refused(options: ServeOptions, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("TUFT_KEY", key)
    with pytest.raises(SetupError, match="TUFT_KEY is too short or holds other signs"):
        command_from_options(options, WHEEL)
