"""The seam for whoever counts, logs, traces or judges requests: told of each when it begins and when it ends."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

CacheUse = Literal["off", "hit", "miss"]
OK: Final = "ok"

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RequestEvent:
    """What became of one request.

    Attributes:
        request_id: Made for this request; Triton was told it as well, and writes it in its log.
        requested: Name of the preset that was asked for.
        served: Name of the preset that served; None if none did.
        model: Name of the model that answered, or of the one asked last; None if none was asked.
        model_version: Its version, as the server counts; None if no model answered.
        outcome: `ok`, or the name of the error's class, such as `ServerTimeoutError`.
        fallback_reason: Why another preset than the one asked for served, a sentence; None if it did not.
        fallback_cause: The same as the name of the error's class; None if the preset asked for served.
        attempts: How often a server was asked for an inference; 0 if that never came to pass.
        retries: How many of these asked the same model once more after a failure.
        milliseconds: From each of `tuft.stopwatch.STAGES` to the time spent in it.
        total_ms: From the call to its end, waits between attempts included.
        size_hw: Height and width of the photograph in pixels; None if it could not be decoded.
        alpha: (H, W) uint8, 0 is background; not to be changed; None if there is no result.
        cache: Whether the result came from the cache, had to be made, or no cache was in use.
        quality_score: 0..1, the estimate without a truth; None if nobody estimated it.
        unit: The key by which an experiment has assigned a variant; None without an experiment.
        variant: Name of that variant.
    """

    request_id: str
    requested: str
    served: str | None
    model: str | None
    model_version: str | None
    outcome: str
    fallback_reason: str | None
    fallback_cause: str | None
    attempts: int
    retries: int
    milliseconds: Mapping[str, float]
    total_ms: float
    size_hw: tuple[int, int] | None
    alpha: NDArray[np.uint8] | None
    cache: CacheUse = "off"
    quality_score: float | None = None
    unit: str | None = None
    variant: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "milliseconds", MappingProxyType(dict(self.milliseconds)))


class Observer(Protocol):
    """Whoever wants to know of requests; inherit from it and write only the methods you need.

    All are called in the thread of the request, from many threads at once, and must return soon: the request
    waits. An exception in one of them is logged once and harms no request.
    """

    def request_started(self, request_id: str, requested: str) -> None:
        """A request for the preset `requested` has begun; `request_finished` follows whatever happens."""
        return

    def headers(self, request_id: str) -> Mapping[str, str]:
        """What to send to the server beside the request, such as `traceparent`; names in lower case."""
        return {}

    def request_finished(self, event: RequestEvent) -> None:
        """A request has ended, well or not."""
        return


class Observers:
    """Several observers as one; what one of them raises is logged once and goes no further."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self._complained: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._observers)

    def request_started(self, request_id: str, requested: str) -> None:
        """Tells all that a request has begun."""
        self._call_each("request_started", request_id, requested)

    def headers(self, request_id: str) -> dict[str, str]:
        """What all of them want to send along."""
        return {name: value for headers in self._call_each("headers", request_id) for name, value in headers.items()}

    def request_finished(self, event: RequestEvent) -> None:
        """Tells all that a request has ended."""
        self._call_each("request_finished", event)

    def _call_each(self, method: str, *arguments: object) -> list[Any]:
        results = []
        for observer in self._observers:
            try:
                results.append(getattr(observer, method)(*arguments))
            except Exception:
                self._complain(type(observer).__name__, method)
        return results

    def _complain(self, observer: str, method: str) -> None:
        with self._lock:
            known = (observer, method) in self._complained
            self._complained.add((observer, method))
        if not known:
            _LOGGER.warning("%s.%s failed; that is told once", observer, method, exc_info=True)
