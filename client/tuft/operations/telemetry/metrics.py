"""What Prometheus is told about requests: how many, how they ended, how long they took and how good they look.

Every label has few values, known beforehand: no photograph, customer or message makes a new series.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from tuft import errors
from tuft.errors import OptionError, SetupError
from tuft.inference.observers import OK, Observer
from tuft.operations.telemetry.circuits import CircuitCollector
from tuft.presets import PRESETS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

    from tuft.inference.observers import RequestEvent
    from tuft.operations.telemetry.circuits import HasCircuits

DEFAULT_PORT: Final = 8003  # beside Triton's 8000 to 8002
LOOPBACK: Final = "127.0.0.1"
LARGEST_PORT: Final = 65535

# Upper bounds in seconds, from a millisecond to a minute: a quantile read from them is wrong by less than the distance
# of two. They are close (a factor of 2 at most) where times lie: the network takes 0.03 to 0.3 s on a GPU and 1 to 5 s
# on a processor, every other stage of a photograph of 12 megapixels 0.03 to 0.4 s (benchmarks/results/latency.json).
TIME_BUCKETS_S: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5,
    5.0, 10.0, 20.0, 40.0, 60.0,
)  # fmt: skip
SCORE_BUCKETS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)

NOBODY: Final = "none"  # no preset has served
UNEXPECTED: Final = "unexpected"  # an exception that is not one of tuft.errors
OUTCOMES: Final = frozenset({OK, "KeyboardInterrupt", *(name for name in vars(errors) if name.endswith("Error"))})

_INSTALL: Final = "prometheus-client is not installed: run `pip install 'tuft[metrics]'`."


@dataclass(frozen=True)
class _Families:
    """The metrics of one registry."""

    requests: Counter
    request_s: Histogram
    stage_s: Histogram
    fallbacks: Counter
    retries: Counter
    cache: Counter
    score: Histogram
    in_flight: Gauge
    circuits: CircuitCollector


_families: Final[WeakKeyDictionary[CollectorRegistry, _Families]] = WeakKeyDictionary()
_served: Final[dict[int, CollectorRegistry]] = {}
_lock: Final = threading.Lock()


class Metrics(Observer):
    """Counts requests for Prometheus; several of one registry count together.

    Args:
        registry: Where the metrics are kept; prometheus_client's own by default, which tells of the process as well.

    Raises:
        SetupError: prometheus-client is not installed.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry: CollectorRegistry = _prometheus().REGISTRY if registry is None else registry
        with _lock:
            if self.registry not in _families:
                _families[self.registry] = _declared(self.registry)
        self._families = _families[self.registry]

    def serve(self, port: int = DEFAULT_PORT, *, host: str = LOOPBACK) -> int:
        """Answers Prometheus from now on, from a thread of its own, until the process ends.

        Args:
            port: Where; 0 takes a free one. A port that this process serves already stays as it is.
            host: Address to listen on; there is no password, so anything but loopback is for a network of your own.

        Returns:
            The port.

        Raises:
            OptionError: There is no such port.
            SetupError: Something else listens there, or the address is not this machine's.
        """
        if not 0 <= port <= LARGEST_PORT:
            raise OptionError(f"There is no port {port}: choose one from 0 (any free one) to {LARGEST_PORT}.")
        with _lock:
            if _served.get(port) is self.registry:
                return port
            try:
                server, _ = _prometheus().start_http_server(port, addr=host, registry=self.registry)
            except OSError as exc:
                raise SetupError(
                    f"Metrics cannot be offered on {host}:{port} ({exc.strerror}): stop what listens there, or choose "
                    "another port (metrics_port, TUFT_METRICS_PORT)."
                ) from exc
            taken = int(server.server_port)
            _served[taken] = self.registry
        return taken

    def follow(self, client: HasCircuits) -> None:
        """Tells of the circuit breakers of `client` as well, as long as it lives."""
        self._families.circuits.clients.add(client)

    def request_started(self, request_id: str, requested: str) -> None:
        """One more on its way."""
        self._families.in_flight.inc()

    def request_finished(self, event: RequestEvent) -> None:
        """One less on its way, and everything that is known of it."""
        families = self._families
        families.in_flight.dec()
        requested, served = _preset(event.requested), _preset(event.served)
        families.requests.labels(requested, served, _outcome(event.outcome)).inc()
        families.request_s.labels(requested).observe(event.total_ms / 1e3)
        families.retries.labels(requested).inc(event.retries)
        for stage, milliseconds in event.milliseconds.items():
            if milliseconds > 0:  # what did not happen took no time
                families.stage_s.labels(stage, served).observe(milliseconds / 1e3)
        if event.fallback_cause is not None:
            families.fallbacks.labels(requested, served, _outcome(event.fallback_cause)).inc()
        if event.cache != "off":
            families.cache.labels(event.cache).inc()
        if event.quality_score is not None:
            families.score.labels(served, _version(event.model_version)).observe(event.quality_score)


def _declared(registry: CollectorRegistry) -> _Families:
    """The families, with the series at zero that a rate has to begin from."""
    library = _prometheus()
    on: dict[str, Any] = {"registry": registry}
    families = _Families(
        requests=library.Counter(
            "tuft_requests_total", "Requests that have ended, well (ok) or not.", ("preset", "served", "outcome"), **on
        ),
        request_s=library.Histogram(
            "tuft_request_seconds", "From the call to its end.", ("preset",), buckets=TIME_BUCKETS_S, **on
        ),
        stage_s=library.Histogram(
            "tuft_stage_seconds", "Time in one stage of a request.", ("stage", "served"), buckets=TIME_BUCKETS_S, **on
        ),
        fallbacks=library.Counter(
            "tuft_fallbacks_total", "Requests served by a smaller preset.", ("preset", "served", "cause"), **on
        ),
        retries=library.Counter("tuft_retries_total", "Repeated questions to the same model.", ("preset",), **on),
        cache=library.Counter("tuft_cache_lookups_total", "Looks into the result cache.", ("result",), **on),
        score=library.Histogram(
            "tuft_quality_score", "Estimated quality, 0..1.", ("served", "version"), buckets=SCORE_BUCKETS, **on
        ),
        in_flight=library.Gauge(
            "tuft_requests_in_flight", "Requests that have begun and not ended.", multiprocess_mode="livesum", **on
        ),
        circuits=CircuitCollector(),
    )
    registry.register(families.circuits)
    for name in PRESETS:
        families.requests.labels(name, name, OK)
        families.retries.labels(name)
    return families


def _preset(name: str | None) -> str:
    if name is None:
        return NOBODY
    return name if name in PRESETS else UNEXPECTED


def _outcome(name: str) -> str:
    return name if name in OUTCOMES else UNEXPECTED


def _version(text: str | None) -> str:
    """Triton counts versions; anything else shares one series."""
    return text if text is not None and text.isdecimal() else UNEXPECTED


def _prometheus() -> Any:
    try:
        import prometheus_client
    except ImportError as exc:
        raise SetupError(_INSTALL) from exc
    return prometheus_client
