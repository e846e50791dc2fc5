"""One request on its way, and what observers are told of it."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuft.inference.observers import OK, Observers, RequestEvent
from tuft.inference.resilience import CancelToken
from tuft.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from tuft.inference.observers import CacheUse


@dataclass(eq=False)
class Request:
    """What is known of a request so far; for what is not said here see `tuft.inference.observers.RequestEvent`.

    Attributes:
        cancel: Takes it back.
        headers: What observers want to send along.
        watch: Measures its stages.
    """

    requested: str
    cancel: CancelToken = field(default_factory=CancelToken)
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    headers: Mapping[str, str] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)
    served: str | None = None
    model: str | None = None
    model_version: str | None = None
    fallback_reason: str | None = None
    fallback_cause: str | None = None
    attempts: int = 0
    retries: int = 0
    size_hw: tuple[int, int] | None = None
    alpha: NDArray[np.uint8] | None = None
    cache: CacheUse = "off"
    quality_score: float | None = None
    unit: str | None = None
    variant: str | None = None

    def event(self, outcome: str, total_ms: float) -> RequestEvent:
        """What observers are told at its end."""
        return RequestEvent(
            request_id=self.request_id,
            requested=self.requested,
            served=self.served,
            model=self.model,
            model_version=self.model_version,
            outcome=outcome,
            fallback_reason=self.fallback_reason,
            fallback_cause=self.fallback_cause,
            attempts=self.attempts,
            retries=self.retries,
            milliseconds=self.watch.milliseconds,
            total_ms=total_ms,
            size_hw=self.size_hw,
            alpha=self.alpha,
            cache=self.cache,
            quality_score=self.quality_score,
            unit=self.unit,
            variant=self.variant,
        )


@contextmanager
def observed(request: Request, observers: Observers) -> Iterator[None]:
    """Tells observers that `request` has begun, and after the `with` block how it has ended."""
    began_s = time.perf_counter()
    outcome = OK
    observers.request_started(request.request_id, request.requested)
    request.headers = observers.headers(request.request_id)
    try:
        yield
    except BaseException as error:
        outcome = type(error).__name__
        raise
    finally:
        observers.request_finished(request.event(outcome, (time.perf_counter() - began_s) * 1e3))
