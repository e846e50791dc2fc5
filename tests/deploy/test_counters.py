"""Triton's counters beside the client's: where they agree, and what Triton's leave out (docs/monitoring.md)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from support.calling import wait_until
from support.production import Production, production_server
from support.tiny import misbehaving_model, tiny_repository
from tritonclient.grpc import model_config_pb2

from tuft import Client, InferenceError, NoSubjectError, Settings, TuftError
from tuft.operations.telemetry import Metrics

pytestmark = pytest.mark.server

WHITE, GREY, BLACK = 255, 128, 0
# White pictures take half a second, grey ones get an error as a response, the others zeros.
BEHAVIOUR = (
    f"(time.sleep(0.5) if images.max() == {WHITE} else None);"
    f" grey = images.max() == {GREY};"
    " failed = pb.InferenceResponse(error=pb.TritonError('no'))"
    "\n            if grey: responses.append(failed); continue"
)


def short_queue(configuration: model_config_pb2.ModelConfig) -> None:
    configuration.dynamic_batching.default_queue_policy.max_queue_size = 1


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("counters")
    model = misbehaving_model(BEHAVIOUR)
    repository = tiny_repository(folder / "models", model=model, configure=short_queue)
    with production_server(repository, folder) as server:
        yield server


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def client(production: Production, metrics: Metrics) -> Iterator[Client]:
    settings = Settings(url=production.addresses.grpc, retries=0, breaker_failures=0)
    with Client(settings=settings, observers=[metrics]) as client:
        yield client


def picture(level: int) -> NDArray[np.uint8]:
    return np.full((384, 384, 3), level, np.uint8)


def ended(metrics: Metrics, outcome: str) -> float:
    served = "standard" if outcome == "ok" else "none"
    labels = {"preset": "standard", "served": served, "outcome": outcome}
    return metrics.registry.get_sample_value("tuft_requests_total", labels) or 0.0


def test_both_count_the_same_answers(production: Production, client: Client, metrics: Metrics) -> None:
    before = production.counted("nv_inference_request_success")
    for _ in range(3):
        with pytest.raises(NoSubjectError):  # zeros
            client.remove(picture(BLACK), size=384)
    wait_until(lambda: production.counted("nv_inference_request_success") == before + 3)


def test_what_a_full_queue_refuses_is_counted_by_the_client_alone(
    production: Production, client: Client, metrics: Metrics
) -> None:
    def ask(_: int) -> None:
        with pytest.raises(TuftError):
            client.remove(picture(WHITE), size=384)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert ended(metrics, "ServerBusyError") > 0
    assert production.counted("nv_inference_request_failure") == 0


def test_an_error_that_a_python_model_returns_is_a_success_to_triton(
    production: Production, client: Client, metrics: Metrics
) -> None:
    before = production.counted("nv_inference_request_success")
    with pytest.raises(InferenceError):
        client.remove(picture(GREY), size=384)
    assert ended(metrics, "InferenceError") == 1
    wait_until(lambda: production.counted("nv_inference_request_success") == before + 1)
    assert production.counted("nv_inference_request_failure") == 0
