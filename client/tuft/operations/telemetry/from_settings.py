"""Makes the observers that settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft.operations.telemetry.logs import RequestLog, log_to
from tuft.operations.telemetry.metrics import Metrics
from tuft.operations.telemetry.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuft.inference.observers import Observer
    from tuft.operations.telemetry.metrics import HasCircuits


def observers_from_settings(
    client: HasCircuits, *, metrics_port: int = 0, log: str = "", tracing: bool = False
) -> Iterator[Observer]:
    """Makes the observers that settings ask for, by default none.

    Each is set up when the iterator reaches it: the port is opened, or the log file is created.

    Args:
        client: The client whose circuit breakers the metrics include.
        metrics_port: Port of the loopback interface for Prometheus; 0 disables metrics.
        log: `stderr` or a file for one JSON line a request; empty disables the log.
        tracing: Whether to make OpenTelemetry spans of requests.

    Raises:
        OptionError: The port is out of range, or the file cannot be written.
        SetupError: A library is not installed, or the port is in use.
    """
    if metrics_port:
        metrics = Metrics()
        metrics.serve(metrics_port)
        metrics.follow(client)
        yield metrics
    if log:
        log_to(log)
        yield RequestLog()
    if tracing:
        yield Traces()
