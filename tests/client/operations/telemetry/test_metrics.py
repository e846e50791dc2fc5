"""Metrics of requests: counts, outcomes and durations, in a bounded number of series."""

from __future__ import annotations

import json
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from _latency.latency_table import client_stages
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tuft.errors import OptionError, SetupError
from tuft.inference.observers import RequestEvent
from tuft.operations.telemetry import Metrics
from tuft.operations.telemetry.metrics import OUTCOMES, TIME_BUCKETS_S
from tuft.presets import PRESETS
from tuft.stopwatch import STAGES

MakeEvent = Callable[..., RequestEvent]
DOCUMENTATION = Path(__file__).parents[4] / "docs" / "monitoring.md"
LATENCY_FILE = Path(__file__).parents[4] / "benchmarks" / "results" / "latency.json"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def run(metrics: Metrics, event: RequestEvent) -> None:
    metrics.request_started(event.request_id, event.requested)
    metrics.request_finished(event)


def test_a_request_is_counted_and_timed_in_seconds(metrics: Metrics, make_event: MakeEvent) -> None:
    run(metrics, make_event())
    assert value(metrics, "tuft_requests_total", preset="high", served="high", outcome="ok") == 1
    assert value(metrics, "tuft_request_seconds_sum", preset="high") == pytest.approx(0.21)
    assert value(metrics, "tuft_stage_seconds_sum", stage="network", served="high") == pytest.approx(0.16)
    assert value(metrics, "tuft_stage_seconds_bucket", stage="network", served="high", le="0.15") == 0
    assert value(metrics, "tuft_stage_seconds_bucket", stage="network", served="high", le="0.2") == 1


def test_a_stage_that_did_not_happen_is_no_observation_of_zero(metrics: Metrics, make_event: MakeEvent) -> None:
    run(metrics, make_event())
    assert value(metrics, "tuft_stage_seconds_count", stage="refine", served="high") is None


def test_a_failure_keeps_its_class_and_has_been_served_by_none(metrics: Metrics, make_event: MakeEvent) -> None:
    run(metrics, make_event(outcome="ServerTimeoutError", served=None, model_version=None, alpha=None))
    assert value(metrics, "tuft_requests_total", preset="high", served="none", outcome="ServerTimeoutError") == 1


def test_a_fallback_says_from_where_to_where_and_why(metrics: Metrics, make_event: MakeEvent) -> None:
    event = make_event(requested="maximum", served="standard", fallback_cause="ServerOutOfMemoryError", attempts=3)
    run(metrics, event)
    labels = {"preset": "maximum", "served": "standard", "cause": "ServerOutOfMemoryError"}
    assert value(metrics, "tuft_fallbacks_total", **labels) == 1
    assert value(metrics, "tuft_retries_total", preset="maximum") == 0


def test_retries_cache_and_quality(metrics: Metrics, make_event: MakeEvent) -> None:
    run(metrics, make_event(retries=2, attempts=3, cache="miss", quality_score=0.93, model_version="7"))
    run(metrics, make_event(attempts=0, cache="hit"))
    run(metrics, make_event(cache="off"))
    assert value(metrics, "tuft_retries_total", preset="high") == 2
    assert value(metrics, "tuft_cache_lookups_total", result="miss") == 1
    assert value(metrics, "tuft_cache_lookups_total", result="hit") == 1
    assert value(metrics, "tuft_cache_lookups_total", result="off") is None
    assert value(metrics, "tuft_quality_score_sum", served="high", version="7") == pytest.approx(0.93)
    assert value(metrics, "tuft_quality_score_count", served="high", version="1") is None


def test_in_flight_goes_up_and_down(metrics: Metrics, make_event: MakeEvent) -> None:
    metrics.request_started("a", "high")
    metrics.request_started("b", "auto")
    assert value(metrics, "tuft_requests_in_flight") == 2
    metrics.request_finished(make_event(request_id="a"))
    assert value(metrics, "tuft_requests_in_flight") == 1


def test_no_value_from_outside_makes_a_series(metrics: Metrics, make_event: MakeEvent) -> None:
    run(metrics, make_event(quality_score=0.5))
    first = len(list(series(metrics)))
    for number in range(50):
        strange = f"strange_{number}"
        run(
            metrics,
            make_event(
                request_id=strange,
                requested=strange,
                served=strange,
                model=strange,
                model_version=strange,
                outcome=strange,
                fallback_cause=strange,
                fallback_reason=strange,
                quality_score=0.5,
                unit=strange,
                variant=strange,
            ),
        )
    grown = {labels for labels in series(metrics) if "strange" in str(labels)}
    assert not grown
    one_strange = len(list(series(metrics))) - first
    run(metrics, make_event(outcome="another", fallback_cause="more", served="than", model_version="x"))
    assert len(list(series(metrics))) - first <= one_strange + len(TIME_BUCKETS_S) * 4


def series(metrics: Metrics) -> set[tuple[str, str]]:
    return {
        (sample.name, str(sorted(sample.labels.items())))
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def test_every_error_that_tuft_has_is_an_outcome() -> None:
    import tuft

    assert {name for name in tuft.__all__ if name.endswith("Error")} <= OUTCOMES


def test_every_metric_is_documented(metrics: Metrics) -> None:
    """The metric with its labels, as the documentation writes it."""
    text = DOCUMENTATION.read_text()
    for family in metrics.registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| `{name}` |" in text


def test_rates_begin_at_zero(metrics: Metrics) -> None:
    for name in PRESETS:
        assert value(metrics, "tuft_requests_total", preset=name, served=name, outcome="ok") == 0


def test_circuits_are_read_when_prometheus_comes_by_as_long_as_their_client_lives(metrics: Metrics) -> None:
    class Owner:
        def __init__(self, **circuits: str) -> None:
            self.circuits = circuits

    first, second = Owner(inspyrenet_1024="closed", inspyrenet_2048="half-open"), Owner(inspyrenet_1024="closed")
    metrics.follow(first)
    metrics.follow(second)
    assert value(metrics, "tuft_circuit_open", model="inspyrenet_1024") == 0
    second.circuits["inspyrenet_1024"] = "open"
    assert value(metrics, "tuft_circuit_open", model="inspyrenet_1024") == 1
    assert value(metrics, "tuft_circuit_open", model="inspyrenet_2048") == 0
    del second
    assert value(metrics, "tuft_circuit_open", model="inspyrenet_1024") == 0


def test_two_of_one_registry_count_together(metrics: Metrics, make_event: MakeEvent) -> None:
    run(Metrics(metrics.registry), make_event())
    run(metrics, make_event())
    assert value(metrics, "tuft_requests_total", preset="high", served="high", outcome="ok") == 2


def test_threads_lose_no_count(metrics: Metrics, make_event: MakeEvent) -> None:
    def many() -> None:
        for _ in range(200):
            run(metrics, make_event())

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(metrics, "tuft_requests_total", preset="high", served="high", outcome="ok") == 800
    assert value(metrics, "tuft_requests_in_flight") == 0


def test_buckets_fit_every_time_that_was_measured() -> None:
    """A quantile read from a histogram is uncertain by the width of a bucket, a factor of 2 at most."""
    measured = json.loads(LATENCY_FILE.read_text())
    runs = [client_stages(run) for preset in measured["models"] for run in measured["runs"][preset]]
    measured_s = [ms / 1e3 for run in runs for name, ms in run.items() if name in STAGES]
    on_a_gpu_s = [0.035, 0.07, 0.08, 0.15, 0.28]  # expected on an L4 at 1024, 1536 and 2048
    for seconds in [*measured_s, *on_a_gpu_s]:
        if seconds < 0.01:  # the stage did nothing
            continue
        lower = max(bound for bound in TIME_BUCKETS_S if bound < seconds)
        upper = min(bound for bound in TIME_BUCKETS_S if bound >= seconds)
        assert upper / lower <= 2.01, seconds
    assert (TIME_BUCKETS_S[0], TIME_BUCKETS_S[-1]) == (0.001, 60)
    assert all(lower < upper for lower, upper in pairwise(TIME_BUCKETS_S))


def test_prometheus_can_read_what_is_offered(metrics: Metrics, make_event: MakeEvent) -> None:
    port = metrics.serve(0)
    run(metrics, make_event())
    assert metrics.serve(port) == port, "a second client of this process shares it"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value for sample in families["tuft_requests"].samples
    }
    assert samples["tuft_requests_total", "high", "high", "ok"] == 1


def test_a_port_that_is_taken_or_none_is_said_in_a_sentence(metrics: Metrics) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=rf"127.0.0.1:{port} .*choose another port"):
            metrics.serve(port)
    with pytest.raises(OptionError, match="no port 70000"):
        metrics.serve(70_000)


def test_without_the_library_the_line_to_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SetupError, match=r"pip install 'tuft-matting\[metrics\]'"):
        Metrics()
