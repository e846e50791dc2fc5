"""Load generators: which calls count, from which time, and that queueing shows."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from _lib.load import OK, arrivals_s, closed_loop, open_loop, percentiles
from hypothesis import given
from hypothesis import strategies as st

from tuft.errors import ServerBusyError


class OneAtATime:
    """A server that handles one request at a time, each in the same time."""

    def __init__(self, takes_s: float) -> None:
        self.most_waiting = 0
        self._takes_s, self._busy, self._waiting = takes_s, threading.Lock(), 0
        self._counting = threading.Lock()

    def __call__(self, number: int) -> int:
        with self._counting:
            self._waiting += 1
            self.most_waiting = max(self.most_waiting, self._waiting)
        with self._busy:
            time.sleep(self._takes_s)
        with self._counting:
            self._waiting -= 1
        return number


def moment() -> float:
    return time.perf_counter()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_a_percentile_occurred_and_so_many_are_below(values: list[float]) -> None:
    for name, value in percentiles(values).items():
        share = int(name[1:]) / 100
        assert value in values
        assert np.mean(np.array(values) <= value) >= share
        assert np.mean(np.array(values) < value) <= share


def test_percentiles_of_what_is_known() -> None:
    assert percentiles([float(n) for n in range(1, 101)]) == {"p50": 50, "p90": 90, "p99": 99}
    assert percentiles([3.0, 1.0, 2.0]) == {"p50": 2, "p90": 3, "p99": 3}
    assert percentiles([]) == {}


def test_even_arrivals() -> None:
    assert arrivals_s(4, 5) == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_arrivals_at_random_have_the_rate_and_forget_the_last() -> None:
    at_s = arrivals_s(20, 20_000, seed=1)
    gaps_s = np.diff(at_s)
    assert at_s[0] == 0
    assert (gaps_s >= 0).all()
    assert gaps_s.mean() == pytest.approx(1 / 20, rel=0.03)
    assert gaps_s.std() == pytest.approx(gaps_s.mean(), rel=0.03), "of an exponential distribution they are the same"
    assert abs(np.corrcoef(gaps_s[1:], gaps_s[:-1])[0, 1]) < 0.03
    assert at_s == arrivals_s(20, 20_000, seed=1)


def test_so_many_callers_ask_at_any_time() -> None:
    server = OneAtATime(0.03)  # long enough to outweigh the scheduling of threads on a busy machine
    window = closed_loop(server, concurrency=4, requests=20, note=moment)
    assert server.most_waiting == 4
    assert len(window.calls) == 20
    assert window.before < window.after
    # Little's law: callers = rate × latency.
    mean_s = np.mean([call.latency_ms for call in window.calls]) / 1e3
    assert window.per_s * mean_s == pytest.approx(4, rel=0.35)


def test_what_warms_up_does_not_count() -> None:
    window = closed_loop(lambda number: number, concurrency=1, requests=3, note=moment)
    assert [call.result for call in window.calls] == [1, 2, 3]


def test_errors_of_tuft_are_outcomes_and_no_answers() -> None:
    def busy(number: int) -> int:
        if number % 2:
            raise ServerBusyError("full: try again later.")
        return number

    window = closed_loop(busy, concurrency=1, requests=10, note=moment)
    assert window.outcomes == {OK: 5, "ServerBusyError": 5}
    assert window.per_s == pytest.approx(5 / window.seconds)
    assert len(open_loop(busy, [0.0] * 6, note=moment).answered) == 3


def test_any_other_error_ends_the_load() -> None:
    def broken(number: int) -> int:
        if number == 5:
            raise KeyError(number)
        return number

    with pytest.raises(KeyError):
        closed_loop(broken, concurrency=3, requests=1000, note=moment)
    with pytest.raises(KeyError):
        open_loop(broken, [0.0] * 8, note=moment)


def test_a_server_that_falls_behind_shows_in_the_open_loop() -> None:
    """Arrivals at twice the server's rate: each waits for a quarter of all on average; a closed loop hides that."""
    takes_s, count = 0.02, 12
    window = open_loop(OneAtATime(takes_s), arrivals_s(2 / takes_s, count), note=moment)
    latencies_ms = [call.latency_ms for call in window.calls]
    assert np.mean(latencies_ms) >= takes_s * 1e3 * (1 + (count - 1) / 4)  # in whichever order they are served
    alone = closed_loop(OneAtATime(takes_s), concurrency=1, requests=5, note=moment)
    assert min(latencies_ms) >= takes_s * 1e3
    assert np.mean(latencies_ms) > 2 * alone.latency_ms()["p50"]


def test_a_load_that_falls_behind_shows_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads for calls of 20 ms that are all due at once: the wait for a free thread counts as latency."""
    monkeypatch.setattr("_lib.load.MOST_IN_FLIGHT", 2)
    window = open_loop(lambda _: time.sleep(0.02), [0.0] * 8, note=moment)
    assert [call.latency_ms >= 20 * (1 + n // 2) - 1 for n, call in enumerate(window.calls)] == [True] * 8
    assert all(first.due_s <= second.due_s for first, second in pairwise(window.calls))
