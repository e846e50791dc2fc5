"""One trace from the program through the client to Triton: the server's spans hang below the request's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.calling import wait_until
from support.production import production_server
from support.tiny import tiny_repository

from tuft import Client
from tuft.operations.telemetry import Traces

Spans = list[dict[str, Any]]

REQUESTS = 20


@pytest.fixture
def collector() -> Iterator[tuple[str, Spans]]:
    """An OpenTelemetry collector: its address, and the spans that have come."""
    spans: Spans = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in sent["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    spans.extend(scope["spans"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", spans
        server.shutdown()
        thread.join()


@pytest.mark.server
def test_tritons_spans_hang_below_the_request_and_know_its_id(
    collector: tuple[str, Spans], tmp_path_factory: pytest.TempPathFactory
) -> None:
    address, theirs = collector
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    folder = tmp_path_factory.mktemp("traced")
    image = np.zeros((96, 128, 3), np.uint8)
    image[24:72, 32:96] = 255
    with production_server(tiny_repository(folder / "models"), folder, TUFT_OTLP_URL=address) as server:
        with Client(server.addresses.grpc, observers=[Traces(provider)]) as client:
            for _ in range(REQUESTS):
                client.remove(image, size=384)
        wait_until(lambda: len(_named("InferRequest", theirs)) == REQUESTS)
    requests = {
        (span.attributes or {})["tuft.request_id"]: span.context
        for span in exporter.get_finished_spans()
        if span.name == "tuft.remove"
    }
    roots = {span["spanId"]: span for span in _named("InferRequest", theirs)}
    models = {_request_id(span): span for span in _named("inspyrenet_384", theirs)}
    assert models.keys() == requests.keys()
    below = 0
    for request_id, model in models.items():
        root = roots[model["parentSpanId"]]
        assert root["traceId"] == model["traceId"]
        if "parentSpanId" in root:  # not always, on this release: docs/monitoring.md
            assert root["parentSpanId"] == f"{requests[request_id].span_id:016x}"
            assert root["traceId"] == f"{requests[request_id].trace_id:032x}"
            below += 1
    assert below > REQUESTS / 2


def _named(name: str, spans: Spans) -> Spans:
    return [span for span in spans if span["name"] == name]


def _request_id(span: dict[str, Any]) -> str:
    attributes = {attribute["key"]: attribute["value"] for attribute in span["attributes"]}
    return str(attributes["triton.request_id"]["stringValue"])
