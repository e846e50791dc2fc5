"""Spans of requests and their stages as children of the caller's span; the context is propagated to Triton."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tuft.errors import SetupError
from tuft.inference.observers import RequestEvent
from tuft.operations.telemetry import Traces

MakeEvent = Callable[..., RequestEvent]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


@pytest.fixture
def traces(provider: TracerProvider) -> Traces:
    return Traces(provider)


def run(traces: Traces, event: RequestEvent) -> None:
    traces.request_started(event.request_id, event.requested)
    traces.request_finished(event)


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def length_ms(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e6


def test_a_request_is_a_span_with_one_for_each_stage(
    traces: Traces, exporter: InMemorySpanExporter, make_event: MakeEvent
) -> None:
    run(traces, make_event())
    spans = by_name(exporter)
    assert set(spans) == {"tuft.remove", "tuft.decode", "tuft.network"}, "a stage that did not happen has none"
    request = spans["tuft.remove"]
    assert {name: length_ms(span) for name, span in spans.items()} == pytest.approx(
        {"tuft.remove": 210, "tuft.decode": 40, "tuft.network": 160}, abs=1e-3
    )
    for name in ("tuft.decode", "tuft.network"):
        stage = spans[name]
        assert stage.parent is not None
        assert stage.parent.span_id == request.context.span_id
    order = [request.start_time, spans["tuft.decode"].start_time, spans["tuft.decode"].end_time]
    order += [spans["tuft.network"].start_time, spans["tuft.network"].end_time, request.end_time]
    assert order == sorted(order, key=lambda moment: moment or 0), "one after the other, inside the request"


def test_its_attributes_say_what_became_of_it(
    traces: Traces, exporter: InMemorySpanExporter, make_event: MakeEvent
) -> None:
    run(traces, make_event(outcome="ServerBusyError", served=None, attempts=3, retries=1, unit="customer-17"))
    span = by_name(exporter)["tuft.remove"]
    assert span.status.status_code is StatusCode.ERROR
    attributes = dict(span.attributes or {})
    assert attributes["tuft.request_id"] == "4f2a"
    assert attributes["error.type"] == attributes["tuft.outcome"] == "ServerBusyError"
    assert (attributes["tuft.attempts"], attributes["tuft.retries"]) == (3, 1)
    assert "customer-17" not in str(attributes)


def test_triton_is_told_the_span_of_the_request(
    traces: Traces, exporter: InMemorySpanExporter, make_event: MakeEvent
) -> None:
    event = make_event()
    traces.request_started(event.request_id, event.requested)
    headers = dict(traces.headers(event.request_id))
    traces.request_finished(event)
    context = by_name(exporter)["tuft.remove"].context
    version, trace, span, flags = headers.pop("traceparent").split("-")
    assert (version, trace, span) == ("00", f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert int(flags, 16) & 1, "sampled"
    assert not headers


def test_it_hangs_below_the_callers_span(
    traces: Traces, provider: TracerProvider, exporter: InMemorySpanExporter, make_event: MakeEvent
) -> None:
    with provider.get_tracer("shop").start_as_current_span("order"):
        run(traces, make_event())
    spans = by_name(exporter)
    parent = spans["tuft.remove"].parent
    assert parent is not None
    assert parent.span_id == spans["order"].context.span_id


def test_requests_at_once_do_not_meet(traces: Traces, exporter: InMemorySpanExporter, make_event: MakeEvent) -> None:
    traces.request_started("a", "high")
    traces.request_started("b", "auto")
    assert traces.headers("a") != traces.headers("b")
    traces.request_finished(make_event(request_id="a"))
    traces.request_finished(make_event(request_id="b"))
    requests = [span for span in exporter.get_finished_spans() if span.name == "tuft.remove"]
    assert [(span.attributes or {})["tuft.request_id"] for span in requests] == ["a", "b"]
    assert len({span.context.trace_id for span in requests}) == 2


def test_without_an_sdk_nothing_happens_and_nothing_is_sent(make_event: MakeEvent) -> None:
    script = (
        "from tuft.operations.telemetry import Traces; traces = Traces(); traces.request_started('a', 'high');"
        "print(dict(traces.headers('a')), 'opentelemetry.sdk' in __import__('sys').modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"\{\} False\n", done.stdout)


def test_without_the_library_the_line_to_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(SetupError, match=r"pip install 'tuft-matting\[tracing\]'"):
        Traces()
