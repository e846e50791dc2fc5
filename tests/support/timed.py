"""A clock that a test sets, and a transport that advances it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuft import FakeTransport
from tuft.errors import ServerTimeoutError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tuft.inference.transport import CallOptions, Inference


class Clock:
    """Returns the time that it is set to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class TimedTransport(FakeTransport):
    """Records the timeout of each inference, and advances the clock by `takes_s`, or by the timeout if it is less."""

    def __init__(self, clock: Clock, takes_s: Sequence[float] = (), **options: Any) -> None:
        super().__init__(**options)
        self.allowed_s: list[float] = []
        self._clock = clock
        self._takes_s = list(takes_s)

    def infer(
        self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        self.allowed_s.append(timeout_s)
        takes_s = self._takes_s.pop(0) if self._takes_s else 0.0
        self._clock.now_s += min(takes_s, timeout_s)
        if takes_s >= timeout_s:
            self.requests.append(model)
            raise ServerTimeoutError("late.")
        return super().infer(model, image, timeout_s=timeout_s, options=options)
