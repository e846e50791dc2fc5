"""Stages add up to the whole time, however the call is divided."""

from __future__ import annotations

import io
from typing import Any

import pytest
from _lib.counters import Counters, counters_from_statistics
from _lib.stages import ASIDE, OF_THE_CALL, around_the_network_ms, call_ms, cut_out, divided, whole
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tritonclient.grpc import service_pb2

from tuft import Client
from tuft.stopwatch import STAGES

TIMES = st.floats(0, 1e5)


@given(st.fixed_dictionaries(dict.fromkeys(STAGES, TIMES)), TIMES, TIMES, TIMES, TIMES)
def test_stages_add_up_to_the_whole(
    client: dict[str, float], encode_ms: float, rest_ms: float, queue_ms: float, network_ms: float
) -> None:
    whole_ms = sum(client.values()) + encode_ms + rest_ms
    stages = whole(client, encode_ms=encode_ms, whole_ms=whole_ms)
    assert sum(stages.values()) == pytest.approx(whole_ms)
    parts = divided(stages, Counters(1, 0, 1, 1, queue_ms, network_ms))
    assert sum(parts.values()) == pytest.approx(whole_ms, abs=1e-6)
    assert call_ms(stages) == client["network"]
    assert call_ms(parts) == pytest.approx(client["network"], abs=1e-6)
    aside_ms = sum(stages[stage] for stage in ASIDE)
    assert around_the_network_ms(parts) == pytest.approx(whole_ms - aside_ms, abs=1e-6)


def test_the_call_is_divided_in_its_place() -> None:
    stages = whole(dict.fromkeys(STAGES, 5.0), encode_ms=1, whole_ms=40)
    parts = divided(stages, Counters(requests=2, failures=0, images=2, executions=2, queue_ms=2, network_ms=6))
    assert list(parts)[2:5] == list(OF_THE_CALL)
    assert [parts[name] for name in OF_THE_CALL] == [1, 1, 3]
    assert (parts["encode"], parts["rest"]) == (1, 4)


def test_a_request_is_timed_from_jpeg_to_png(client: Client, scene: Any) -> None:
    file = io.BytesIO()
    Image.fromarray(scene.rgb).save(file, "JPEG")
    stages = cut_out(client, file.getvalue(), "standard")
    assert list(stages) == ["decode", "resize", "call", "postprocess", "refine", "colours", "compose", "encode", "rest"]
    assert all(ms >= 0 for ms in stages.values())
    assert stages["rest"] < 0.5 * sum(stages.values())


def test_counters_are_those_of_all_models() -> None:
    statistics = service_pb2.ModelStatisticsResponse()
    for requests, queue_ms in ((3, 30), (1, 2)):
        model = statistics.model_stats.add(inference_count=2 * requests, execution_count=1)
        model.inference_stats.success.count = requests
        model.inference_stats.fail.count = 1
        model.inference_stats.queue.ns = queue_ms * 10**6
        model.inference_stats.compute_infer.ns = requests * 10**8
    counted = counters_from_statistics(statistics)
    assert counted == Counters(requests=4, failures=2, images=8, executions=2, queue_ms=32, network_ms=400)
    since = counted - Counters(requests=3, failures=2, images=6, executions=1, queue_ms=30, network_ms=300)
    assert since.to_dict() == {"requests": 1, "failures": 0, "average_batch": 2, "queue_ms": 2, "network_ms": 100}
    assert (counted - counted).to_dict()["queue_ms"] == 0
