"""Prometheus metrics of requests: counts, outcomes, durations and quality scores.

Every label has a small, fixed set of values, so no photograph, customer or message creates a new series.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakKeyDictionary, WeakSet

from tuft import errors
from tuft.errors import OptionError, SetupError
from tuft.inference.observers import OK, Observer
from tuft.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.metrics_core import Metric

    from tuft.inference.observers import RequestEvent

DEFAULT_PORT: Final = 8003  # next to Triton's 8000 to 8002
LOOPBACK: Final = "127.0.0.1"
LARGEST_PORT: Final = 65535
MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"  # a folder that several processes share

# Upper bounds in seconds, from a millisecond to a minute. A quantile read from them is off by less than the distance of
# two bounds, so they are dense (a factor of 2 at most) where times lie: the network takes 0.03 to 0.3 s on a GPU and 1
# to 5 s on a CPU, each other stage of a 12-megapixel photograph 0.03 to 0.4 s (benchmarks/results/latency.json).
TIME_BUCKETS_S: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5,
    5.0, 10.0, 20.0, 40.0, 60.0,
)  # fmt: skip
SCORE_BUCKETS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)

NO_PRESET: Final = "none"  # no preset has served
UNEXPECTED: Final = "unexpected"  # any exception that is not in tuft.errors
OUTCOMES: Final = frozenset({OK, "KeyboardInterrupt", *(name for name in vars(errors) if name.endswith("Error"))})

_INSTALL: Final = "prometheus-client is not installed: run `pip install 'tuft-matting[metrics]'`."


class HasCircuits(Protocol):
    """A `tuft.Client`, or another object with circuit breakers."""

    @property
    def circuits(self) -> Mapping[str, str]:
        """From models to `closed`, `open` or `half-open`."""
        ...


class CircuitCollector:
    """Collects the circuit breakers of all live clients; a model counts as open if it is open in any of them."""

    def __init__(self) -> None:
        self.clients: WeakSet[HasCircuits] = WeakSet()

    def collect(self) -> Iterator[Metric]:
        """The gauge `tuft_circuit_open`: 1 for a model whose circuit is open, else 0."""
        from prometheus_client.core import GaugeMetricFamily

        gauge = GaugeMetricFamily("tuft_circuit_open", "Whether a model is not asked for a while.", labels=("model",))
        states = [state for client in tuple(self.clients) for state in client.circuits.items()]
        for model in sorted({model for model, _ in states}):
            gauge.add_metric((model,), float((model, "open") in states))
        yield gauge


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
    """Prometheus metrics of requests; instances with the same registry share their metrics.

    Args:
        registry: The registry; by default prometheus_client's own, which includes metrics of the process.

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
        """Serves the metrics over HTTP, from a thread of its own, until the process ends.

        In prometheus_client's multiprocess mode (`PROMETHEUS_MULTIPROC_DIR`) these are the metrics of all processes.

        Args:
            port: The port; 0 takes a free one. Has no effect for a port on which this process serves them already.
            host: Address to listen on. There is no authentication, so use other addresses than loopback only in a
                private network.

        Returns:
            The port.

        Raises:
            OptionError: The port is out of range.
            SetupError: The port is in use, or the address is not one of this machine.
        """
        if not 0 <= port <= LARGEST_PORT:
            raise OptionError(f"There is no port {port}: choose one from 0 (any free one) to {LARGEST_PORT}.")
        with _lock:
            if _served.get(port) is self.registry:
                return port
            try:
                server, _ = _prometheus().start_http_server(port, addr=host, registry=_exposed(self.registry))
            except OSError as exc:
                raise SetupError(
                    f"Metrics cannot be offered on {host}:{port} ({exc.strerror}): stop what listens there, or choose "
                    "another port (metrics_port, TUFT_METRICS_PORT)."
                ) from exc
            taken = int(server.server_port)
            _served[taken] = self.registry
        return taken

    def follow(self, client: HasCircuits) -> None:
        """Includes the circuit breakers of `client` for as long as it exists."""
        self._families.circuits.clients.add(client)

    def request_started(self, request_id: str, requested: str) -> None:
        """Counts a request in flight."""
        self._families.in_flight.inc()

    def request_finished(self, event: RequestEvent) -> None:
        """Counts the outcome of a request."""
        families = self._families
        families.in_flight.dec()
        requested, served = _preset(event.requested), _preset(event.served)
        families.requests.labels(requested, served, _outcome(event.outcome)).inc()
        families.request_s.labels(requested).observe(event.total_ms / 1e3)
        families.retries.labels(requested).inc(event.retries)
        for stage, milliseconds in event.milliseconds.items():
            if milliseconds > 0:  # 0: the stage did not run
                families.stage_s.labels(stage, served).observe(milliseconds / 1e3)
        if event.fallback_cause is not None:
            families.fallbacks.labels(requested, served, _outcome(event.fallback_cause)).inc()
        if event.cache != "off":
            families.cache.labels(event.cache).inc()
        if event.quality_score is not None:
            families.score.labels(served, _version(event.model_version)).observe(event.quality_score)


def _declared(registry: CollectorRegistry) -> _Families:
    """Declares the metrics, and the series that must start at zero for `rate` to be correct."""
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
        return NO_PRESET
    return name if name in PRESETS else UNEXPECTED


def _outcome(name: str) -> str:
    return name if name in OUTCOMES else UNEXPECTED


def _version(text: str | None) -> str:
    """The label of a version: Triton numbers them; anything else shares one series."""
    return text if text is not None and text.isdecimal() else UNEXPECTED


def _exposed(registry: CollectorRegistry) -> CollectorRegistry:
    """What a port offers: in multiprocess mode the metrics of all processes, else those of `registry`."""
    if MULTIPROCESS_VARIABLE not in os.environ:
        return registry
    from prometheus_client import CollectorRegistry, multiprocess

    everyone = CollectorRegistry()
    multiprocess.MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]
    return everyone


def _prometheus() -> Any:
    try:
        import prometheus_client
    except ImportError as exc:
        raise SetupError(_INSTALL) from exc
    return prometheus_client
