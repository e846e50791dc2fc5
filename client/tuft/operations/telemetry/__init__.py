"""Ways to watch requests: metrics for Prometheus, one line of log for each, spans of OpenTelemetry; all are opt-in."""

from __future__ import annotations

from tuft.operations.telemetry.from_settings import watchers
from tuft.operations.telemetry.logs import JsonFormatter, RequestLog, log_to
from tuft.operations.telemetry.metrics import Metrics
from tuft.operations.telemetry.traces import Traces

__all__ = ["JsonFormatter", "Metrics", "RequestLog", "Traces", "log_to", "watchers"]
