"""Which models are not asked for the moment, read from clients whenever Prometheus comes by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric


class HasCircuits(Protocol):
    """A `tuft.Client`, or whatever else keeps circuit breakers."""

    @property
    def circuits(self) -> Mapping[str, str]:
        """From models to `closed`, `open` or `half-open`."""
        ...


class CircuitCollector:
    """Collects the breakers of clients, as long as these live; a model counts as open if it is for one of them."""

    def __init__(self) -> None:
        self.clients: WeakSet[HasCircuits] = WeakSet()

    def collect(self) -> Iterator[Metric]:
        """The gauge `tuft_circuit_open`: 1 for a model that is not asked, else 0."""
        from prometheus_client.core import GaugeMetricFamily

        gauge = GaugeMetricFamily("tuft_circuit_open", "Whether a model is not asked for a while.", labels=("model",))
        states = [state for client in tuple(self.clients) for state in client.circuits.items()]
        for model in sorted({model for model, _ in states}):
            gauge.add_metric((model,), float((model, "open") in states))
        yield gauge
