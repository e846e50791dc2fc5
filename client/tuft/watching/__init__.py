"""Ways to watch requests: metrics for Prometheus, one line of log for each, spans of OpenTelemetry; all are opt-in."""

from __future__ import annotations

from tuft.watching.logs import JsonFormatter, RequestLog, log_to
from tuft.watching.metrics import Metrics
from tuft.watching.observers import watchers
from tuft.watching.traces import Traces

__all__ = ["JsonFormatter", "Metrics", "RequestLog", "Traces", "log_to", "watchers"]
