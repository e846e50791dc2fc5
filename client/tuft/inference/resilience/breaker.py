"""Circuit breakers: a model that keeps failing is not asked for a while, so that it can recover."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

from tuft.errors import (
    CircuitOpenError,
    InferenceError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CircuitState = Literal["closed", "open", "half-open"]

# A full queue or a missing model is reported at once and costs nothing, so neither counts.
COUNTED: Final = (ServerTimeoutError, ServerUnreachableError, ServerOutOfMemoryError, InferenceError)


class Breaker:
    """Counts consecutive failures of one model; too many open its circuit, and the model is not asked.

    After a while one request may probe it while the others are still refused (half-open): its success closes the
    circuit, its failure opens it again.

    Args:
        model: Its name in errors.
        failures: So many in a row open the circuit; 0 never does.
        probe_s: Seconds from opening to the next probe.
        clock: Monotonic seconds.
    """

    def __init__(
        self, model: str, *, failures: int, probe_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._limit = failures
        self._probe_s = probe_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._last: ServerError | None = None
        self._opened_s: float | None = None
        self._probing = False

    @property
    def state(self) -> CircuitState:
        """`closed`: requests pass. `open`: they are refused. `half-open`: one request may probe, or is doing so."""
        with self._lock:
            if self._opened_s is None:
                return "closed"
            return "open" if self._clock() < self._opened_s + self._probe_s else "half-open"

    @contextmanager
    def guarding(self) -> Iterator[None]:
        """Guards one request to the model, made in the `with` block.

        Raises:
            CircuitOpenError: The circuit is open; the block is not entered.
        """
        probe = self._admit()
        try:
            yield
        except COUNTED as failure:
            self._failed(failure, probe=probe)
            raise
        except BaseException:  # tells nothing about the model
            self._release(probe=probe)
            raise
        else:
            self._succeeded()

    def _admit(self) -> bool:
        """Whether this request is the probe of an open circuit."""
        with self._lock:
            if self._opened_s is None:
                return False
            wait_s = self._opened_s + self._probe_s - self._clock()
            if wait_s > 0 or self._probing:
                raise self._refusal(wait_s) from self._last
            self._probing = True
            return True

    def _refusal(self, wait_s: float) -> CircuitOpenError:
        reason = f"it has failed {self._failures} times in a row; the last time: {str(self._last).rstrip('.')}"
        return CircuitOpenError(f"{self._model} is not asked ({reason}): try again in {max(wait_s, 0.1):.1f} s.")

    def _failed(self, failure: ServerError, *, probe: bool) -> None:
        with self._lock:
            self._failures += 1
            self._last = type(failure)(*failure.args)  # without its traceback, which holds the photograph
            # A request that started before the circuit opened does not extend it.
            if probe or (self._opened_s is None and 0 < self._limit <= self._failures):
                self._opened_s = self._clock()
            self._probing = self._probing and not probe

    def _succeeded(self) -> None:
        with self._lock:
            self._failures = 0
            self._last = self._opened_s = None
            self._probing = False

    def _release(self, *, probe: bool) -> None:
        with self._lock:
            self._probing = self._probing and not probe


class Breakers:
    """One breaker for each model, made when the model is first asked.

    Args:
        failures: See `Breaker`.
        probe_s: See `Breaker`.
        clock: See `Breaker`.
    """

    def __init__(self, *, failures: int, probe_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._failures = failures
        self._probe_s = probe_s
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}
        self._lock = threading.Lock()

    def __getitem__(self, model: str) -> Breaker:
        with self._lock:
            if model not in self._breakers:
                self._breakers[model] = Breaker(
                    model, failures=self._failures, probe_s=self._probe_s, clock=self._clock
                )
            return self._breakers[model]

    @property
    def states(self) -> dict[str, CircuitState]:
        """From each model that was asked so far to the state of its circuit."""
        with self._lock:
            breakers = dict(self._breakers)
        return {model: breaker.state for model, breaker in breakers.items()}
