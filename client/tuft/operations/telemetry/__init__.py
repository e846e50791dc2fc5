"""Telemetry of requests, all opt-in: Prometheus metrics, a JSON log and OpenTelemetry traces."""

from __future__ import annotations

from tuft.operations.telemetry.from_settings import observers_from_settings
from tuft.operations.telemetry.logs import JsonFormatter, RequestLog, log_to
from tuft.operations.telemetry.metrics import Metrics
from tuft.operations.telemetry.traces import Traces

__all__ = ["JsonFormatter", "Metrics", "RequestLog", "Traces", "log_to", "observers_from_settings"]
