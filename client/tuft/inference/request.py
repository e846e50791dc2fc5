"""One request on its way: what has happened to it so far, and the report to observers when it ends."""

from __future__ import annotations

import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tuft.imaging.quality_score import quality_score
from tuft.inference.observers import OK, Observers, RequestEvent
from tuft.inference.resilience import CancelToken
from tuft.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray


@dataclass(eq=False)
class Request:
    """The state of one request; used by one thread at a time.

    Attributes:
        requested: Name of the preset that was asked for.
        cancel: Cancels it.
        headers: gRPC metadata that observers add.
        watch: Measures its stages.
        record: Everything that observers will be told, as far as it is known; changed by `note`.
    """

    requested: str
    cancel: CancelToken = field(default_factory=CancelToken)
    headers: Mapping[str, str] = field(default_factory=dict)
    watch: Stopwatch = field(default_factory=Stopwatch)
    record: RequestEvent = field(init=False)

    def __post_init__(self) -> None:
        self.record = RequestEvent(request_id=uuid.uuid4().hex, requested=self.requested)

    def note(self, **facts: Any) -> None:
        """Sets fields of `record`."""
        self.record = replace(self.record, **facts)

    def score(self, alpha: NDArray[np.uint8], rgb: NDArray[np.uint8]) -> float:
        """The quality score of the result, computed once; see `tuft.imaging.quality_score`."""
        if self.record.quality_score is None:
            self.note(quality_score=quality_score(alpha, rgb))
        assert self.record.quality_score is not None
        return self.record.quality_score


@contextmanager
def observed(request: Request, observers: Observers) -> Iterator[None]:
    """Tells observers that `request` has started, and after the `with` block how it has ended."""
    began_s = time.perf_counter()
    outcome = OK
    observers.request_started(request.record.request_id, request.requested)
    request.headers = observers.headers(request.record.request_id)
    try:
        yield
    except BaseException as error:
        outcome = type(error).__name__
        raise
    finally:
        total_ms = (time.perf_counter() - began_s) * 1e3
        request.note(outcome=outcome, milliseconds=request.watch.milliseconds, total_ms=total_ms)
        observers.request_finished(request.record)
