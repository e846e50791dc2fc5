"""Load generators: a closed loop of callers that wait for their answers, and an open loop of scheduled arrivals."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import numpy as np

from tuft.errors import TuftError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Result = TypeVar("Result")
Moment = TypeVar("Moment")

OK: Final = "ok"
PERCENTILES: Final = (50, 90, 99)
MOST_IN_FLIGHT: Final = 128  # threads of an open loop


@dataclass(frozen=True)
class Timed(Generic[Result]):
    """One call.

    Attributes:
        due_s: When it was scheduled, by `time.perf_counter`; in a closed loop, when it began.
        began_s: When it began.
        ended_s: When it ended.
        outcome: `ok`, or the name of the class of tuft's error.
        result: The value returned; None after an error.
    """

    due_s: float
    began_s: float
    ended_s: float
    outcome: str
    result: Result | None

    @property
    def latency_ms(self) -> float:
        """Measured from the scheduled time, so that waiting for a free thread counts."""
        return (self.ended_s - self.due_s) * 1e3


@dataclass(frozen=True)
class Window(Generic[Result, Moment]):
    """The calls measured between two moments.

    Attributes:
        calls: The calls that count, in the order in which they ended.
        seconds: Between the moments.
        before: The value of `note` at the first moment.
        after: Its value at the second.
    """

    calls: Sequence[Timed[Result]]
    seconds: float
    before: Moment
    after: Moment

    @property
    def answered(self) -> list[Timed[Result]]:
        """The successful calls."""
        return [call for call in self.calls if call.outcome == OK]

    @property
    def per_s(self) -> float:
        """Successful calls per second."""
        return len(self.answered) / self.seconds

    @property
    def outcomes(self) -> dict[str, int]:
        """Number of calls by outcome."""
        return dict(Counter(call.outcome for call in self.calls))

    def latency_ms(self) -> dict[str, float]:
        """Percentiles over the successful calls."""
        return percentiles([call.latency_ms for call in self.answered])


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """`{"p50": ..., "p90": ..., "p99": ...}`, each an observed value (nearest rank); empty for no values.

    Of fewer than a hundred values, the 99th percentile is the largest.
    """
    if not len(values):
        return {}
    found = np.percentile(values, PERCENTILES, method="inverted_cdf")
    return {f"p{percent}": float(value) for percent, value in zip(PERCENTILES, found, strict=True)}


def timed(call: Callable[[], Result], due_s: float | None = None) -> Timed[Result]:
    """Times one call; an error of tuft's becomes its outcome, any other error is raised."""
    began_s = time.perf_counter()
    result: Result | None = None
    outcome = OK
    try:
        result = call()
    except TuftError as error:
        outcome = type(error).__name__
    return Timed(began_s if due_s is None else due_s, began_s, time.perf_counter(), outcome, result)


def closed_loop(
    call: Callable[[int], Result], concurrency: int, requests: int, note: Callable[[], Moment]
) -> Window[Result, Moment]:
    """Runs `concurrency` callers, each of which calls again as soon as it has its answer.

    The window opens once as many calls have ended as there are callers, and closes with the last call that counts. All
    callers go on until then, so that the concurrency stays constant.

    Args:
        call: Receives the number of the call.
        concurrency: Number of callers.
        requests: Number of calls that count.
        note: Called when the window opens and when it closes.
    """
    return _ClosedLoop(call, concurrency, requests, note).run()


class _ClosedLoop(Generic[Result, Moment]):
    """The state shared by the callers."""

    def __init__(
        self, call: Callable[[int], Result], concurrency: int, requests: int, note: Callable[[], Moment]
    ) -> None:
        self._call, self._concurrency, self._requests, self._note = call, concurrency, requests, note
        self._lock = threading.Lock()
        self._begun = self._warm = 0
        self._calls: list[Timed[Result]] = []
        self._moments: list[tuple[float, Moment]] = []
        self._over = False

    def run(self) -> Window[Result, Moment]:
        with ThreadPoolExecutor(self._concurrency) as pool:
            for caller in [pool.submit(self._run_caller) for _ in range(self._concurrency)]:
                caller.result()
        (began_s, before), (ended_s, after) = self._moments
        return Window(self._calls, ended_s - began_s, before, after)

    def _run_caller(self) -> None:
        try:
            while not self._over:
                with self._lock:
                    number, self._begun = self._begun, self._begun + 1
                ended = timed(lambda number=number: self._call(number))  # type: ignore[misc]
                with self._lock:
                    self._count(ended)
        finally:
            self._over = True  # stops the other callers if this one has failed

    def _count(self, ended: Timed[Result]) -> None:
        if self._over:
            return
        if self._warm < self._concurrency:
            self._warm += 1
            if self._warm == self._concurrency:
                self._moments.append((time.perf_counter(), self._note()))
            return
        self._calls.append(ended)
        if len(self._calls) == self._requests:
            self._moments.append((ended.ended_s, self._note()))
            self._over = True


def arrivals_s(rate_per_s: float, count: int, *, seed: int | None = None) -> list[float]:
    """Arrival times of requests in seconds from now, the first at 0.

    Args:
        rate_per_s: Mean arrival rate.
        count: Number of requests.
        seed: Seed of exponential gaps, as between independent callers (a Poisson process); None makes all gaps equal.
    """
    gaps = np.full(count, 1 / rate_per_s)
    if seed is not None:
        gaps = np.random.default_rng(seed).exponential(1 / rate_per_s, count)
    return [float(at_s) for at_s in np.cumsum(gaps) - gaps[0]]


def open_loop(
    call: Callable[[int], Result], at_s: Sequence[float], note: Callable[[], Moment]
) -> Window[Result, Moment]:
    """Calls at scheduled times, whether or not earlier calls have ended.

    Latency counts from the scheduled time, so that it shows when the server, or this generator, falls behind.

    Args:
        call: Receives the number of the call.
        at_s: Schedule in seconds from now, ascending.
        note: Called before the first call and after the last has ended.
    """
    with ThreadPoolExecutor(min(len(at_s), MOST_IN_FLIGHT)) as pool:
        before, start_s = note(), time.perf_counter()
        pending: list[Any] = []
        for number, offset_s in enumerate(at_s):
            due_s = start_s + offset_s
            time.sleep(max(due_s - time.perf_counter(), 0))
            pending.append(pool.submit(timed, lambda number=number: call(number), due_s))
        calls: list[Timed[Result]] = [one.result() for one in pending]
    return Window(calls, max(one.ended_s for one in calls) - start_s, before, note())
