"""From settings to the observers that they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft.operations.telemetry.logs import RequestLog, log_to
from tuft.operations.telemetry.metrics import Metrics
from tuft.operations.telemetry.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuft.inference.observers import Observer
    from tuft.operations.telemetry.circuits import HasCircuits


def watchers(client: HasCircuits, *, metrics_port: int = 0, log: str = "", tracing: bool = False) -> Iterator[Observer]:
    """The observers that settings ask for; none by default.

    Args:
        client: Whose requests are watched; its circuit breakers are as well.
        metrics_port: Port of the loopback interface where Prometheus finds the metrics; 0 offers none.
        log: Where one line of JSON for each request goes: `stderr` or a file; empty writes none.
        tracing: Whether requests become spans of OpenTelemetry.

    Raises:
        OptionError: There is no such port, or the file cannot be written.
        SetupError: A library is not installed, or the port is taken.
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
