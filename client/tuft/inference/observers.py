"""Observers of requests: metrics, logs, traces and experiments are told when a request starts and when it ends."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

CacheUse = Literal["off", "hit", "miss"]
OK: Final = "ok"
_PRIVATE: Final = ("alpha", "unit")

_LOGGER: Final = logging.getLogger("tuft.observing")


@dataclass(frozen=True, eq=False)
class RequestEvent:
    """The record of one request, complete when it has ended.

    Attributes:
        request_id: Made for this request; Triton is told it as well, and writes it to its log.
        requested: Name of the preset that was asked for.
        served: Name of the preset that served; None if none did.
        model: Name of the model that answered, or of the one asked last; None if none was asked.
        model_version: Its version, as the server counts; None if no model answered.
        outcome: `ok`, or the name of the error's class, such as `ServerTimeoutError`.
        fallback_reason: Why another preset than the one asked for served, a sentence; None if it did not.
        fallback_cause: The same as the name of the error's class; None if the preset asked for served.
        attempts: How many inferences a server was asked for; 0 if the request never got that far.
        retries: How many of these asked the same model again after a failure.
        milliseconds: From each of `tuft.stopwatch.STAGES` to the time spent in it.
        total_ms: From the call to its end, waits between attempts included.
        size_hw: Height and width of the photograph in pixels; None if it could not be decoded.
        alpha: (H, W) uint8, 0 is background; read-only by convention; None if there is no result.
        cache: Whether the result came from the cache (`hit`), was computed (`miss`), or no cache is in use (`off`).
        quality_score: 0..1, estimated without ground truth; None if it was not computed.
        unit: The key by which an experiment has assigned a variant; None without an experiment.
        variant: Name of that variant.
        prompt_agreement: How well the network and the prompt agree, 0..1; None without a prompt.
    """

    request_id: str
    requested: str
    served: str | None = None
    model: str | None = None
    model_version: str | None = None
    outcome: str = OK
    fallback_reason: str | None = None
    fallback_cause: str | None = None
    attempts: int = 0
    retries: int = 0
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    total_ms: float = 0.0
    size_hw: tuple[int, int] | None = None
    alpha: NDArray[np.uint8] | None = None
    cache: CacheUse = "off"
    quality_score: float | None = None
    unit: str | None = None
    variant: str | None = None
    prompt_agreement: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "milliseconds", MappingProxyType(dict(self.milliseconds)))

    def to_dict(self) -> dict[str, Any]:
        """The known fields, for logs and traces; never pixels, nor the unit, which may name a customer."""
        known = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _PRIVATE}
        return {name: value for name, value in known.items() if value is not None}


class Observer(Protocol):
    """Is told of requests; inherit from it and implement only the methods you need.

    All methods are called in the thread of the request, from many threads at once, and must return quickly: the request
    waits for them. An exception in one of them is logged once and does not affect the request.
    """

    def request_started(self, request_id: str, requested: str) -> None:
        """A request for the preset `requested` has started; `request_finished` always follows."""
        return

    def headers(self, request_id: str) -> Mapping[str, str]:
        """Metadata of gRPC to send with the request, such as `traceparent`; names in lower case."""
        return {}

    def request_finished(self, event: RequestEvent) -> None:
        """A request has ended, successfully or not."""
        return


class Observers:
    """Several observers as one; an exception in one of them is logged once and goes no further."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self._failed_before: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._observers)

    def request_started(self, request_id: str, requested: str) -> None:
        """Tells all of them that a request has started."""
        self._call_each("request_started", request_id, requested)

    def headers(self, request_id: str) -> dict[str, str]:
        """The gRPC metadata of all of them."""
        return {name: value for headers in self._call_each("headers", request_id) for name, value in headers.items()}

    def request_finished(self, event: RequestEvent) -> None:
        """Tells all of them that a request has ended."""
        self._call_each("request_finished", event)

    def _call_each(self, method: str, *arguments: object) -> list[Any]:
        results = []
        for observer in self._observers:
            try:
                results.append(getattr(observer, method)(*arguments))
            except Exception:
                self._warn_once(type(observer).__name__, method)
        return results

    def _warn_once(self, observer: str, method: str) -> None:
        with self._lock:
            known = (observer, method) in self._failed_before
            self._failed_before.add((observer, method))
        if not known:
            _LOGGER.warning("%s.%s failed; that is told once", observer, method, exc_info=True)
