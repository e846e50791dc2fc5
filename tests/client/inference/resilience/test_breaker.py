from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.timed import Clock

from tuft.errors import (
    CircuitOpenError,
    InferenceError,
    ModelUnavailableError,
    NoSubjectError,
    ServerBusyError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from tuft.inference.resilience import Breaker, Breakers

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT, PROBE_S = 3, 5.0


def fail(breaker: Breaker, failure: Exception | None = None) -> None:
    failure = failure or InferenceError("boom.")
    with pytest.raises(type(failure)), breaker.guarding():
        raise failure


def succeed(breaker: Breaker) -> None:
    with breaker.guarding():
        pass


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("inspyrenet_2048", failures=LIMIT, probe_s=PROBE_S, clock=clock)


@pytest.fixture
def opened(breaker: Breaker) -> Breaker:
    for _ in range(LIMIT):
        fail(breaker)
    return breaker


def test_failures_in_a_row_open_it_and_the_refusal_says_all(opened: Breaker, clock: Clock) -> None:
    clock.now_s += 1
    with pytest.raises(CircuitOpenError) as refusal:
        succeed(opened)
    said = "inspyrenet_2048 is not asked (it has failed 3 times in a row; the last time: boom): try again in 4.0 s."
    assert str(refusal.value) == said
    assert isinstance(refusal.value.__cause__, InferenceError)
    assert opened.state == "open"


def test_a_success_in_between_begins_the_count_anew(breaker: Breaker) -> None:
    for _ in range(5):
        fail(breaker)
        fail(breaker)
        succeed(breaker)
    assert breaker.state == "closed"


@pytest.mark.parametrize(
    ("failure", "counts"),
    [
        (ServerTimeoutError("x"), True),
        (ServerUnreachableError("x"), True),
        (ServerOutOfMemoryError("x"), True),
        (InferenceError("x"), True),
        (ServerBusyError("x"), False),
        (ModelUnavailableError("x"), False),
        (NoSubjectError("x"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_what_counts(breaker: Breaker, failure: Exception, counts: bool) -> None:
    for _ in range(LIMIT):
        fail(breaker, failure)
    assert (breaker.state == "open") is counts


def test_after_a_while_one_request_may_try_and_the_others_still_may_not(opened: Breaker, clock: Clock) -> None:
    clock.now_s += PROBE_S
    assert opened.state == "half-open"
    with opened.guarding(), pytest.raises(CircuitOpenError):
        succeed(opened)
    assert opened.state == "closed"
    succeed(opened)


def test_a_try_that_fails_opens_it_for_as_long_again(opened: Breaker, clock: Clock) -> None:
    clock.now_s += PROBE_S
    fail(opened)
    clock.now_s += PROBE_S - 0.1
    with pytest.raises(CircuitOpenError):
        succeed(opened)
    clock.now_s += 0.1
    succeed(opened)
    assert opened.state == "closed"


def test_a_try_that_says_nothing_lets_the_next_one_try(opened: Breaker, clock: Clock) -> None:
    clock.now_s += PROBE_S
    for nothing in (KeyboardInterrupt(), ServerBusyError("full")):
        fail(opened, nothing)
        assert opened.state == "half-open"
    succeed(opened)
    assert opened.state == "closed"


def test_a_failure_of_a_request_from_before_does_not_prolong_it(breaker: Breaker, clock: Clock) -> None:
    late = breaker.guarding()
    late.__enter__()
    for _ in range(LIMIT):
        fail(breaker)
    clock.now_s += PROBE_S - 1
    failure = InferenceError("late")
    assert not late.__exit__(InferenceError, failure, None)
    clock.now_s += 1
    assert breaker.state == "half-open"


def test_no_limit_no_breaker() -> None:
    breaker = Breaker("m", failures=0, probe_s=1)
    for _ in range(50):
        fail(breaker)
    assert breaker.state == "closed"


def test_it_keeps_no_photograph_alive(breaker: Breaker) -> None:
    class Photograph:
        pass

    photograph = Photograph()
    kept = weakref.ref(photograph)

    def request(_: Photograph) -> None:
        with breaker.guarding():
            raise InferenceError("boom")

    with pytest.raises(InferenceError):
        request(photograph)
    del photograph
    gc.collect()
    assert kept() is None


def test_each_model_has_its_own(clock: Clock) -> None:
    breakers = Breakers(failures=1, probe_s=1, clock=clock)
    fail(breakers["a"])
    succeed(breakers["b"])
    assert breakers.states == {"a": "open", "b": "closed"}
    assert breakers["a"] is breakers["a"]


def test_only_one_thread_tries(opened: Breaker, clock: Clock) -> None:
    clock.now_s += PROBE_S
    gate, entered = threading.Barrier(8), []

    def request() -> None:
        gate.wait()
        try:
            with opened.guarding():
                entered.append(1)
                gate.wait()
        except CircuitOpenError:
            gate.wait()

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entered == [1]


class Model(RuleBasedStateMachine):
    """Against a list of what happened: refused exactly if the last LIMIT answers failed and the wait is not over."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker("m", failures=LIMIT, probe_s=PROBE_S, clock=self.clock)
        self.failed_in_a_row = 0
        self.last_failure_s = 0.0

    @property
    def refuses(self) -> bool:
        return self.failed_in_a_row >= LIMIT and self.clock.now_s < self.last_failure_s + PROBE_S

    def ask(self, answer: Callable[[Breaker], None]) -> bool:
        if self.refuses:
            with pytest.raises(CircuitOpenError):
                succeed(self.breaker)
            return False
        answer(self.breaker)
        return True

    @rule()
    def success(self) -> None:
        if self.ask(succeed):
            self.failed_in_a_row = 0

    @rule()
    def failure(self) -> None:
        if self.ask(fail):
            self.failed_in_a_row += 1
            self.last_failure_s = self.clock.now_s

    @rule(seconds=st.floats(0, 2 * PROBE_S))
    def time_passes(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @invariant()
    def open_if_it_refuses(self) -> None:
        assert (self.breaker.state == "open") is self.refuses


TestAgainstAModel = Model.TestCase
TestAgainstAModel.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
