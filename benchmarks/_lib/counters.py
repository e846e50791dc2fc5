"""Triton's own statistics: requests, executions, and the time in queues and in the network."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_MS_PER_NS: Final = 1e-6
_SETTLED_S: Final = 0.05
_MOST_READS: Final = 100


@dataclass(frozen=True)
class Counters:
    """Sums over all models, since the server started or between two moments.

    Attributes:
        requests: Successful requests.
        failures: Requests that ended in an error.
        images: Images in the successful requests.
        executions: Calls of a network, each with a batch of one or more images.
        queue_ms: Time in queues, summed over requests.
        network_ms: Time in the network, including the transfer of tensors within the server's backend.
    """

    requests: int
    failures: int
    images: int
    executions: int
    queue_ms: float
    network_ms: float

    def __sub__(self, earlier: Counters) -> Counters:
        return Counters(*(now - before for now, before in zip(_values(self), _values(earlier), strict=True)))

    @property
    def queue_ms_per_request(self) -> float:
        """Mean; 0 without requests."""
        return self.queue_ms / max(self.requests, 1)

    @property
    def network_ms_per_request(self) -> float:
        """Mean; 0 without requests."""
        return self.network_ms / max(self.requests, 1)

    @property
    def average_batch(self) -> float:
        """Mean number of images per execution; 0 without requests."""
        return self.images / max(self.executions, 1)

    def to_dict(self) -> dict[str, Any]:
        """The counts and means that benchmarks report, as values for JSON."""
        return {
            "requests": self.requests,
            "failures": self.failures,
            "average_batch": self.average_batch,
            "queue_ms": self.queue_ms_per_request,
            "network_ms": self.network_ms_per_request,
        }


def counters_from_statistics(statistics: Any) -> Counters:
    """Sums Triton's `ModelStatisticsResponse` over all models and versions."""
    models = statistics.model_stats
    return Counters(
        requests=sum(model.inference_stats.success.count for model in models),
        failures=sum(model.inference_stats.fail.count for model in models),
        images=sum(model.inference_count for model in models),
        executions=sum(model.execution_count for model in models),
        queue_ms=sum(model.inference_stats.queue.ns for model in models) * _MS_PER_NS,
        network_ms=sum(model.inference_stats.compute_infer.ns for model in models) * _MS_PER_NS,
    )


def counting(url: str) -> Callable[[], Counters]:
    """Returns a function that reads the current counters of the server at a gRPC address."""
    import tritonclient.grpc

    client = tritonclient.grpc.InferenceServerClient(url)
    return lambda: counters_from_statistics(client.get_inference_statistics())


def settled(count: Callable[[], Counters]) -> Counters:
    """Reads the counters once they no longer change: Triton counts a request after it has sent the answer."""
    counted = count()
    for _ in range(_MOST_READS):
        time.sleep(_SETTLED_S)
        if (now := count()) == counted:
            break
        counted = now
    return counted


def _values(counters: Counters) -> tuple[Any, ...]:
    return tuple(asdict(counters).values())
