"""Prometheus metrics of the gateway, beside those of the client: answers, durations, and the load to scale on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from tuft.operations.telemetry.metrics import TIME_BUCKETS_S

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tuft_gateway.service import Service

_OTHER: Final = "other"  # files of the page, and paths that do not exist: their names must not become series


class GatewayMetrics:
    """The metrics of one gateway.

    Args:
        service: Whose load is told.
        registry: Where they are registered.
    """

    def __init__(self, service: Service, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.answers = Counter(
            "tuft_gateway_answers", "Answers by route and status.", ("route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "tuft_gateway_answer_seconds",
            "From the head of a request to the end of its answer.",
            ("route",),
            buckets=TIME_BUCKETS_S,
            registry=registry,
        )
        load, memory = service.load, service.memory
        for name, text, value in (
            ("tuft_gateway_waiting", "Requests let in and not worked on.", lambda: load.waiting),
            ("tuft_gateway_working", "Photographs worked on.", lambda: load.working),
            ("tuft_gateway_concurrency", "Photographs that may be worked on at once.", lambda: load.concurrency),
            ("tuft_gateway_upload_bytes", "Bytes of bodies in memory.", lambda: memory.used_bytes),
        ):
            Gauge(name, text, registry=registry).set_function(value)

    def response(self) -> Response:
        """All metrics of the registry as text."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class MeasuredAnswers:
    """Middleware: counts and times answers."""

    def __init__(self, app: ASGIApp, *, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Measures from the head of the request to the end of its answer."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began_s, status = time.perf_counter(), 0

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            return await self._app(scope, receive, observed_send)
        finally:
            route = getattr(scope.get("route"), "path", _OTHER) or _OTHER
            self._metrics.answers.labels(route, str(status or 500)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began_s)
