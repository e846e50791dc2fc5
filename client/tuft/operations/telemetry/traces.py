"""OpenTelemetry traces: a span for each request, spans for its stages, and Triton's own spans below them.

Only OpenTelemetry's API is used. Without an SDK, which the program chooses and configures, it does nothing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from tuft.errors import SetupError
from tuft.inference.observers import OK, Observer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span, Tracer, TracerProvider

    from tuft.inference.observers import RequestEvent

SPAN: Final = "tuft.remove"
_ATTRIBUTES: Final = (  # of `RequestEvent`
    "served", "outcome", "model", "model_version", "fallback_cause", "attempts", "retries", "cache", "quality_score",
    "variant",
)  # fmt: skip
_INSTALL: Final = "opentelemetry-api is not installed: run `pip install 'tuft-matting[tracing]'`."


class Traces(Observer):
    """Makes a span of each request, as a child of the caller's current span, and propagates its context to Triton.

    The span of a request has the request's start and end. Only the durations of its stages are known, so their spans
    follow one another from the start, in the order of the stages. Time outside all stages, such as a wait before a
    retry, remains at the end.

    Args:
        provider: The tracer provider; the global one (`opentelemetry.trace.get_tracer_provider`) by default.

    Raises:
        SetupError: opentelemetry-api is not installed.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import propagate, trace
        except ImportError as exc:
            raise SetupError(_INSTALL) from exc
        self._trace = trace
        self._propagate = propagate
        self._tracer: Tracer = trace.get_tracer("tuft", tracer_provider=provider)
        self._open: dict[str, tuple[Span, int]] = {}
        self._lock = threading.Lock()

    def request_started(self, request_id: str, requested: str) -> None:
        """Starts the request's span."""
        began_ns = time.time_ns()
        attributes = {"tuft.request_id": request_id, "tuft.requested": requested}
        span = self._tracer.start_span(
            SPAN, kind=self._trace.SpanKind.CLIENT, attributes=attributes, start_time=began_ns
        )
        with self._lock:
            self._open[request_id] = (span, began_ns)

    def headers(self, request_id: str) -> Mapping[str, str]:
        """The request's `traceparent`, and what the program's propagators add."""
        with self._lock:
            span, _ = self._open[request_id]
        carrier: dict[str, str] = {}
        self._propagate.inject(carrier, context=self._trace.set_span_in_context(span))
        return {name.lower(): value for name, value in carrier.items()}

    def request_finished(self, event: RequestEvent) -> None:
        """Adds the spans of the stages and ends the request's."""
        with self._lock:
            span, began_ns = self._open.pop(event.request_id)
        span.set_attributes(_attributes(event))
        if event.outcome != OK:
            span.set_status(self._trace.StatusCode.ERROR, event.outcome)
        self._add_stages(span, began_ns, event.milliseconds)
        span.end(began_ns + _nanoseconds(event.total_ms))

    def _add_stages(self, request: Span, began_ns: int, milliseconds: Mapping[str, float]) -> None:
        context = self._trace.set_span_in_context(request)
        for stage, stage_ms in milliseconds.items():
            if stage_ms > 0:
                span = self._tracer.start_span(f"tuft.{stage}", context=context, start_time=began_ns)
                began_ns += _nanoseconds(stage_ms)
                span.end(began_ns)


def _attributes(event: RequestEvent) -> dict[str, Any]:
    known = event.to_dict()
    attributes = {f"tuft.{name}": known[name] for name in _ATTRIBUTES if name in known}
    return attributes if event.outcome == OK else {**attributes, "error.type": event.outcome}


def _nanoseconds(milliseconds: float) -> int:
    return round(milliseconds * 1e6)
