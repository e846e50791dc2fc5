"""Makes the observers that settings ask for."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from tuft.errors import SetupError
from tuft.operations.telemetry.logs import RequestLog, log_to
from tuft.operations.telemetry.metrics import Metrics
from tuft.operations.telemetry.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuft.inference.observers import Observer
    from tuft.operations.telemetry.metrics import HasCircuits

_LOGGER: Final = logging.getLogger("tuft.telemetry")

_refused_ports: Final[set[int]] = set()  # those of which this process has told already
_lock: Final = threading.Lock()


def observers_from_settings(
    client: HasCircuits, *, metrics_port: int = 0, log: str = "", tracing: bool = False
) -> Iterator[Observer]:
    """Makes the observers that settings ask for, by default none.

    Each is set up when the iterator reaches it: the port is opened, or the log file is created. A port that is in use
    is no error, since several processes of one machine may have the same settings: it is logged once, and the metrics
    are counted all the same.

    Args:
        client: The client whose circuit breakers the metrics include.
        metrics_port: Port of the loopback interface for Prometheus; 0 disables metrics.
        log: `stderr` or a file for one JSON line a request; empty disables the log.
        tracing: Whether to make OpenTelemetry spans of requests.

    Raises:
        OptionError: The port is out of range, or the file cannot be written.
        SetupError: A library is not installed.
    """
    if metrics_port:
        metrics = Metrics()
        _serve(metrics, metrics_port)
        metrics.follow(client)
        yield metrics
    if log:
        log_to(log)
        yield RequestLog()
    if tracing:
        yield Traces()


def _serve(metrics: Metrics, port: int) -> None:
    try:
        metrics.serve(port)
    except SetupError as error:
        with _lock:
            is_known = port in _refused_ports
            _refused_ports.add(port)
        if not is_known:
            _LOGGER.warning("%s Requests are served without it.", error)
