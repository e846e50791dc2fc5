"""How Triton is started in production: which flags, which releases, and what strangers are refused."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.calling import Caller, random_images
from support.production import KEY, SCRIPT, Production, production_server
from support.tiny import mean_saliency, tiny_repository
from tritonclient.grpc import InferenceServerException

from tuft import contract

ALL_APIS = {"health", "metadata", "inference", "model-config", "model-repository", "statistics"}
ALL_APIS |= {"shared-memory", "trace", "logging"}


@pytest.fixture
def container(tmp_path: Path) -> dict[str, str]:
    """The environment of a container whose tritonserver prints its flags."""
    program = tmp_path / "tritonserver"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nenv\n')
    program.chmod(0o755)
    tiny_repository(tmp_path / "models", sizes=(384, 1024))
    return {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "NVIDIA_TRITON_SERVER_VERSION": "26.07",
        "TUFT_MODELS": str(tmp_path / "models"),
        "TMPDIR": str(tmp_path),
    }


def start(container: dict[str, str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**container, **variables}
    return subprocess.run(["bash", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)


def flags(container: dict[str, str], **variables: str) -> dict[str, list[str]]:
    done = start(container, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("--"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_only_this_machine_hears_it_unless_told_otherwise(container: dict[str, str]) -> None:
    for host, variables in (("127.0.0.1", {}), ("0.0.0.0", {"TUFT_HOST": "0.0.0.0"})):
        given = flags(container, **variables)
        assert [given[f"--{name}-address"] for name in ("http", "grpc", "metrics")] == [[host]] * 3


def test_strangers_may_ask_for_health_over_http_and_for_inference_over_grpc(container: dict[str, str]) -> None:
    given = flags(container)
    allowed = {}
    for name in ("--http-restricted-api", "--grpc-restricted-protocol"):
        apis, key = given[name][0].split(":")
        assert re.fullmatch(r"tuft-key=[0-9a-f]{64}", key), "a key that nobody knows"
        allowed[name] = ALL_APIS - set(apis.split(","))
    assert allowed["--http-restricted-api"] == {"health"}
    assert allowed["--grpc-restricted-protocol"] == {"health", "metadata", "inference", "model-config"}


def test_each_start_makes_another_key(container: dict[str, str]) -> None:
    name = "--http-restricted-api"
    assert flags(container)[name] != flags(container)[name]


def test_the_key_is_no_variable_of_the_server(container: dict[str, str]) -> None:
    done = start(container, TUFT_KEY=KEY)
    assert f"tuft-key={KEY}" in done.stdout
    assert "TUFT_KEY" not in done.stdout


def test_shared_memory_is_off_and_bodies_are_as_large_as_one_picture(container: dict[str, str]) -> None:
    given = flags(container)
    assert given["--allow-client-shm"] == ["false"]
    largest = max(contract.SIZES) ** 2 * contract.CHANNELS
    assert largest < int(given["--http-max-input-size"][0]) < 2 * largest


def test_shared_memory_is_allowed_to_clients_with_the_key_only_if_that_is_wanted(container: dict[str, str]) -> None:
    given = flags(container, TUFT_KEY=KEY, TUFT_SHARED_MEMORY="1")
    assert given["--allow-client-shm"] == ["true"]
    assert "shared-memory" in given["--grpc-restricted-protocol"][0]
    assert flags(container, TUFT_KEY=KEY, TUFT_SHARED_MEMORY="0")["--allow-client-shm"] == ["false"]
    for variables, remedy in (({}, "set TUFT_KEY"), ({"TUFT_KEY": KEY, "TUFT_SHARED_MEMORY": "on"}, "to 1, or to 0")):
        done = start(container, **{"TUFT_SHARED_MEMORY": "1", **variables})
        assert done.returncode == 1
        assert remedy in done.stderr


def test_models_are_loaded_at_the_start_and_later_only_if_that_is_wanted(container: dict[str, str]) -> None:
    assert flags(container)["--model-control-mode"] == ["none"]
    explicit = flags(container, TUFT_MODEL_CONTROL="explicit")
    assert explicit["--model-control-mode"] == ["explicit"]
    assert explicit["--load-model"] == ["*"]
    assert "model-repository" in explicit["--grpc-restricted-protocol"][0]


def test_what_has_been_published_is_served_and_the_other_sizes_are_no_reason_to_fail(
    container: dict[str, str], tmp_path: Path
) -> None:
    (shown,) = map(Path, flags(container)["--model-repository"])
    assert {model.name: model.resolve() for model in shown.iterdir()} == {
        name: tmp_path / "models" / name for name in ("inspyrenet_384", "inspyrenet_1024")
    }


def test_without_any_model_there_is_a_sentence(container: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = start(container, TUFT_MODELS=str(tmp_path / "empty"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "tuft-export publish" in done.stderr


def test_the_runtime_chooses_the_configuration(container: dict[str, str]) -> None:
    assert "--model-config-name" not in flags(container)
    assert "--model-config-name" not in flags(container, TUFT_RUNTIME="tensorrt")
    assert flags(container, TUFT_RUNTIME="onnxruntime")["--model-config-name"] == ["onnxruntime"]


def test_every_request_of_the_client_is_traced_if_there_is_a_collector(container: dict[str, str]) -> None:
    assert "--trace-config" not in flags(container)
    given = flags(container, TUFT_OTLP_URL="http://collector:4318/v1/traces")["--trace-config"]
    assert {"mode=opentelemetry", "rate=1", "opentelemetry,url=http://collector:4318/v1/traces"} < set(given)


@pytest.mark.parametrize("release", ["26.06", "26.07", "27.01"])
def test_releases_without_known_holes_start(container: dict[str, str], release: str) -> None:
    assert start(container, NVIDIA_TRITON_SERVER_VERSION=release).returncode == 0


@pytest.mark.parametrize("release", ["24.10", "25.12", "26.05", "", "latest"])
def test_releases_with_known_holes_do_not(container: dict[str, str], release: str) -> None:
    done = start(container, NVIDIA_TRITON_SERVER_VERSION=release)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "take nvcr.io/nvidia/tritonserver:26.06-py3" in done.stderr


@pytest.mark.parametrize("key", ["short", "x" * 31, f"{KEY},inference:other=1", f"{KEY}\n--allow"])
def test_a_key_that_is_weak_or_would_change_the_flag_is_refused(container: dict[str, str], key: str) -> None:
    done = start(container, TUFT_KEY=key)
    assert (done.returncode, done.stdout) == (1, "")
    assert "openssl rand -hex 32" in done.stderr


def test_a_misspelt_control_mode_is_refused(container: dict[str, str]) -> None:
    assert start(container, TUFT_MODEL_CONTROL="poll").returncode == 1


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("production")
    repository = tiny_repository(folder / "models")
    with production_server(repository, folder) as server:
        yield server


@pytest.mark.server
def test_http_answers_health_and_nothing_else(production: Production) -> None:
    assert production.http("/v2/health/live") == production.http("/v2/health/ready") == 200
    for path in ("/v2", "/v2/models/inspyrenet_384", "/v2/models/inspyrenet_384/config", "/v2/models/stats"):
        assert production.http(path) == 403
        assert production.http(path, key="0" * 32) == 403
        assert production.http(path, key=KEY) == 200
    for path in ("/v2/models/inspyrenet_384/infer", "/v2/repository/index", "/v2/repository/models/x/load"):
        assert production.http(path, body=b"{}") == 403


@pytest.mark.server
def test_grpc_answers_what_the_client_asks(production: Production) -> None:
    caller = Caller(production.addresses.grpc)
    images = random_images(1)
    np.testing.assert_allclose(caller.ask(images), mean_saliency(images), atol=1e-6)
    caller.client.get_model_metadata("inspyrenet_384")
    caller.client.get_model_config("inspyrenet_384")


@pytest.mark.server
def test_grpc_refuses_the_rest_without_the_key(production: Production) -> None:
    client = Caller(production.addresses.grpc).client
    key = {"triton-grpc-protocol-tuft-key": KEY}
    for question in (
        client.get_inference_statistics,
        client.get_model_repository_index,
        client.get_trace_settings,
        client.get_log_settings,
        client.get_system_shared_memory_status,
    ):
        with pytest.raises(InferenceServerException, match="restricted"):
            question()
        question(headers=key)


@pytest.mark.server
def test_with_the_key_nothing_can_be_loaded_while_control_is_off(production: Production) -> None:
    client = Caller(production.addresses.grpc).client
    with pytest.raises(InferenceServerException, match="explicit model load / unload is not allowed"):
        client.load_model("inspyrenet_384", headers={"triton-grpc-protocol-tuft-key": KEY})


@pytest.mark.server
def test_the_script_becomes_the_server_and_ends_on_sigterm(tmp_path: Path) -> None:
    repository = tiny_repository(tmp_path / "models")
    with production_server(repository, tmp_path) as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
