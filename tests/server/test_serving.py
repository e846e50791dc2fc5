"""The behaviour of a server started by `tuft.serve` towards its callers."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.calling import Caller, random_images, wait_until
from support.tiny import mean_saliency, misbehaving_model, tiny_repository
from tritonclient import grpc, http
from tritonclient.grpc.model_config_pb2 import ModelConfig

from tuft.serve import ServeOptions, ServerAddresses, running_server

pytestmark = pytest.mark.server


@contextmanager
def behaving(folder: Path, behave: str, **options: Any) -> Iterator[ServerAddresses]:
    """A server whose model runs the line `behave` with `images`."""
    repository = tiny_repository(folder, model=misbehaving_model(behave), **options)
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as addresses:
        yield addresses


def metric(addresses: ServerAddresses, name: str) -> int:
    """Sum over all its labels."""
    with urllib.request.urlopen(addresses.metrics) as answer:
        return sum(int(n) for n in re.findall(rf"^{name}{{.*}} (\d+)$", answer.read().decode(), re.MULTILINE))


def test_models_are_described_as_the_contract_says(caller: Caller) -> None:
    for size in (384, 1024):
        metadata = caller.client.get_model_metadata(f"inspyrenet_{size}")
        assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [
            ("IMAGE", "UINT8", [-1, size, size, 3])
        ]
        assert [(t.name, t.datatype, list(t.shape)) for t in metadata.outputs] == [
            ("SALIENCY", "FP32", [-1, size, size])
        ]


def test_the_python_configuration_is_the_one_that_was_read(caller: Caller) -> None:
    assert caller.client.get_model_config("inspyrenet_384").config.backend == "python"


@pytest.mark.parametrize(("size", "count"), [(384, 1), (384, 16), (1024, 1), (1024, 8)])
def test_answers_to_singles_and_full_batches(caller: Caller, size: int, count: int) -> None:
    images = random_images(count, size)
    saliency = caller.ask(images)
    assert saliency.dtype == np.float32
    np.testing.assert_allclose(saliency, mean_saliency(images), atol=1e-6)


def test_http_answers_the_same(mean_server: ServerAddresses, caller: Caller) -> None:
    images = random_images(2)
    tensor = http.InferInput("IMAGE", list(images.shape), "UINT8")
    tensor.set_data_from_numpy(images)
    with http.InferenceServerClient(mean_server.http) as client:
        saliency = client.infer("inspyrenet_384", [tensor]).as_numpy("SALIENCY")
    np.testing.assert_array_equal(saliency, caller.ask(images))


def test_sixteen_at_once_get_the_answers_they_get_alone(mixing_server: ServerAddresses) -> None:
    caller = Caller(mixing_server.grpc)
    batches = [random_images(1 + seed % 3, seed=seed) for seed in range(16)]
    alone = [caller.ask(images) for images in batches]
    for together, expected in zip(caller.ask_at_once(batches), alone, strict=True):
        assert isinstance(together, np.ndarray)
        np.testing.assert_array_equal(together, expected)
    # And by construction: no request ever shared an execution with another.
    assert metric(mixing_server, "nv_inference_exec_count") == metric(mixing_server, "nv_inference_request_success")


@pytest.mark.parametrize(
    ("shape", "dtype"), [((0, 384, 384, 3), "UINT8"), ((1, 384, 383, 3), "UINT8"), ((17, 384, 384, 3), "UINT8"),
                         ((384, 384, 3), "UINT8"), ((1, 384, 384, 3), "INT8")]
)  # fmt: skip
def test_other_tensors_are_refused_before_the_model(caller: Caller, shape: tuple[int, ...], dtype: str) -> None:
    tensor = grpc.InferInput("IMAGE", list(shape), dtype)
    tensor.set_data_from_numpy(np.zeros(shape, np.uint8 if dtype == "UINT8" else np.int8))
    with pytest.raises(grpc.InferenceServerException) as failure:
        caller.client.infer("inspyrenet_384", [tensor])
    assert failure.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert caller.ask(random_images(1)).shape == (1, 384, 384)


def test_a_size_that_is_not_published_is_unknown(caller: Caller) -> None:
    with pytest.raises(grpc.InferenceServerException) as failure:
        caller.ask(random_images(1, 1536))
    assert failure.value.status() == "StatusCode.NOT_FOUND"


@pytest.mark.parametrize("method", ["get_model_repository_index", "get_trace_settings", "get_log_settings"])
def test_what_could_take_over_the_server_is_locked(caller: Caller, method: str) -> None:
    with pytest.raises(grpc.InferenceServerException, match="This protocol is restricted"):
        getattr(caller.client, method)()


@pytest.mark.parametrize(
    "path", ["repository/index", "repository/models/inspyrenet_384/load", "trace/setting", "logging"]
)
def test_a_web_page_could_not_either(mean_server: ServerAddresses, path: str) -> None:
    """A browser sends such a request to any loopback port without asking."""
    request = urllib.request.Request(f"http://{mean_server.http}/v2/{path}", data=b"{}")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)


def test_a_full_queue_and_a_late_turn_are_unavailable(tmp_path: Path) -> None:
    def short_queue(config: ModelConfig) -> None:
        config.dynamic_batching.default_queue_policy.max_queue_size = 3

    begun = tmp_path / "begun"
    behave = f"images.max() and (open({str(begun)!r}, 'w').close(), time.sleep(1.0))"
    with behaving(tmp_path / "repository", behave, configure=short_queue) as addresses:
        caller = Caller(addresses.grpc)
        outcomes = caller.ask_at_once([random_images(1)] * 10)
        refused = [outcome for outcome in outcomes if isinstance(outcome, grpc.InferenceServerException)]
        assert 3 <= len(refused) <= 6
        assert {error.status() for error in refused} == {"StatusCode.UNAVAILABLE"}
        assert all("Exceeds maximum queue size" in error.message() for error in refused)

        begun.unlink()
        running = threading.Thread(target=caller.ask, args=[random_images(1)])
        running.start()
        wait_until(begun.exists)
        with pytest.raises(grpc.InferenceServerException, match="Request timeout expired") as failure:
            caller.ask(random_images(1), queue_timeout_s=0.2)
        assert failure.value.status() == "StatusCode.UNAVAILABLE"
        running.join()


def test_a_failure_is_internal_counted_and_nobody_elses(tmp_path: Path) -> None:
    bad = np.full((1, 384, 384, 3), 7, np.uint8)
    behave = 'if images.min() == 7: raise pb.TritonModelException("The network failed: out of memory (x)")'
    with behaving(tmp_path, behave) as addresses:
        caller = Caller(addresses.grpc)
        outcomes = caller.ask_at_once([bad, random_images(1), bad, *[random_images(2)] * 6])
        failed = [index for index, outcome in enumerate(outcomes) if not isinstance(outcome, np.ndarray)]
        assert failed == [0, 2]
        error = outcomes[0]
        assert isinstance(error, grpc.InferenceServerException)
        assert error.status() == "StatusCode.INTERNAL"
        assert "out of memory" in error.message().splitlines()[0]
        assert metric(addresses, "nv_inference_request_failure") == 2


def test_the_warm_up_is_one_picture_whatever_the_batch(tmp_path: Path) -> None:
    """`warmup/image` holds one image; Triton gives it to each row of a warm-up batch. Python has none of its own."""
    seen = tmp_path / "seen"

    def batches_of_one_and_three(config: ModelConfig) -> None:
        for batch_size in (1, 3):
            sample = config.model_warmup.add(name=f"batch_{batch_size}", batch_size=batch_size)
            image = sample.inputs["IMAGE"]
            image.data_type, image.input_data_file = config.input[0].data_type, "image"
            image.dims[:] = config.input[0].dims

    behave = f"with open({str(seen)!r}, 'a') as file: print(*images.shape, file=file)"
    with behaving(tmp_path / "plain", behave):
        assert not seen.exists()
    with behaving(tmp_path / "warmed", behave, configure=batches_of_one_and_three):
        assert seen.read_text().splitlines() == ["1 384 384 3"] * (1 + 3)
