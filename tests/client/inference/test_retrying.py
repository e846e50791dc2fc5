"""Retries, the breaker, shares of the deadline: what happens between a question and its answer, without waiting."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.timed import Clock, TimedTransport

from tuft import CancelToken, FakeTransport, Settings
from tuft.errors import (
    CircuitOpenError,
    ContractError,
    InferenceError,
    ModelUnavailableError,
    RequestCancelledError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from tuft.imaging import load_photo, preprocess
from tuft.imaging.preprocess import network_image
from tuft.inference.fallback import FallbackRunner
from tuft.inference.request import Request
from tuft.inference.resilience import Deadline
from tuft.inference.retrying import RetryingTransport
from tuft.inference.runner import RunRequest
from tuft.inference.saliency import SaliencyRunner
from tuft.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuft.inference.runner import RunResult
    from tuft.inference.transport import Inference
    from tuft.presets import FallbackCause

PHOTO = load_photo(np.zeros((8, 8, 3), np.uint8))
DOWN = ("maximum", "high", "standard")
ALL: tuple[FallbackCause, ...] = ("memory", "busy", "timeout", "circuit")


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resizing to 2048 takes longer than everything else here."""
    made = network_image(PHOTO.rgb, 32, "static")
    monkeypatch.setattr(preprocess, "network_image", lambda *_: made)


@dataclass(frozen=True)
class Core:
    """The layers below a client, and the clock of their deadlines."""

    transport: RetryingTransport
    clock: Callable[[], float]

    def ask(
        self,
        *presets: str,
        causes: Sequence[FallbackCause],
        timeout_s: float,
        request: Request | None = None,
        **options: Any,
    ) -> RunResult:
        settings = Settings(fallback_on=tuple(causes), stable_last=presets[1:] == ("stable",))
        runner = FallbackRunner(SaliencyRunner(self.transport), settings)
        deadline = Deadline(timeout_s, clock=self.clock)
        state = request or Request("maximum")
        options = {"may_step_down": len(presets) > 1, **options}
        return runner.run(RunRequest(PHOTO, PRESETS[presets[0]], state, deadline, **options))


def core_of(transport: FakeTransport, *, clock: Clock | None = None, **settings: Any) -> Core:
    """One that does not wait between attempts."""
    clock = clock or Clock()
    return Core(RetryingTransport(transport, Settings(**settings), clock=clock, random=lambda: 0.0), clock)


def ask(
    core: Core,
    *presets: str,
    causes: Sequence[FallbackCause] = ALL,
    timeout_s: float = 16.0,
    request: Request | None = None,
    **options: Any,
) -> RunResult:
    return core.ask(*presets or DOWN, causes=causes, timeout_s=timeout_s, request=request, **options)


def impatient(transport: FakeTransport) -> Core:
    """One that waits for as long as it may between attempts, by the real clock."""
    return Core(RetryingTransport(transport, Settings(), random=lambda: 1.0), time.monotonic)


def lost() -> ServerUnreachableError:
    return ServerUnreachableError("lost.")


def loading() -> ModelUnavailableError:
    failure = ModelUnavailableError("loading.")
    failure.transient = True
    return failure


@pytest.mark.parametrize("failure", [lost, loading])
def test_what_may_pass_is_asked_again(failure: Callable[[], ServerError]) -> None:
    fake, request = FakeTransport(failures=[failure(), failure()]), Request("maximum")
    answer = ask(core_of(fake), request=request)
    assert fake.requests == ["inspyrenet_2048"] * 3
    assert (request.record.attempts, request.record.retries, request.record.fallback_reason) == (3, 2, None)
    assert answer.preset.name == request.record.served == "maximum"


@pytest.mark.parametrize(
    "failure",
    [
        ServerTimeoutError("x"),
        ServerBusyError("x"),
        ServerOutOfMemoryError("x"),
        ModelUnavailableError("x"),
        ContractError("x"),
        InferenceError("x"),
    ],
)
def test_what_will_not_pass_is_not_asked_again(failure: ServerError) -> None:
    fake = FakeTransport(failures=[failure])
    with pytest.raises(type(failure)):
        ask(core_of(fake), causes=())
    assert fake.requests == ["inspyrenet_2048"]


@given(retries=st.integers(0, 10), failures=st.integers(0, 12))
def test_never_more_often_than_allowed(retries: int, failures: int) -> None:
    fake = FakeTransport(failures=[lost() for _ in range(failures)])
    core = core_of(fake, retries=retries, breaker_failures=0)
    if failures > min(retries, 10):
        with pytest.raises(ServerUnreachableError):
            ask(core)
    else:
        ask(core)
    assert len(fake.requests) == min(failures, retries) + 1


def test_a_server_that_is_gone_gets_a_tenth_more_than_its_load() -> None:
    fake = FakeTransport(failures=[lost() for _ in range(10_000)])
    core = core_of(fake, retries=10, breaker_failures=0)
    for _ in range(200):
        with pytest.raises(ServerUnreachableError):
            ask(core, "stable")
    assert 200 < len(fake.requests) <= 200 + 10 + 20


def test_no_wait_is_begun_that_the_deadline_would_end() -> None:
    fake = FakeTransport(failures=[lost()])
    with pytest.raises(ServerUnreachableError):
        impatient(fake).ask("stable", causes=(), timeout_s=0.2, request=Request("stable"))
    assert len(fake.requests) == 1


def test_every_attempt_gets_what_is_left() -> None:
    clock = Clock()
    transport = TimedTransport(clock, [3.0, 2.0, 1.0], failures=[lost(), lost()])
    ask(core_of(transport, clock=clock), causes=("memory", "busy"))
    assert transport.allowed_s == [16.0, 13.0, 11.0]
    assert [options.queue_timeout_s for options in transport.options] == [8.0, 5.0, 3.0]  # half of 16 s, then gone


def test_a_slow_preset_leaves_half_of_the_time_to_the_next() -> None:
    clock, request = Clock(), Request("maximum")
    transport = TimedTransport(clock, [99.0, 99.0, 3.0])
    answer = ask(core_of(transport, clock=clock), request=request)
    assert transport.allowed_s == [8.0, 4.0, 4.0]
    assert answer.preset.name == "standard"
    assert request.record.fallback_cause == "ServerTimeoutError"
    assert clock.now_s == 15.0


def test_without_that_permission_it_has_all_the_time() -> None:
    clock = Clock()
    transport = TimedTransport(clock, [99.0])
    with pytest.raises(ServerTimeoutError):
        ask(core_of(transport, clock=clock), causes=("memory", "busy", "circuit"))
    assert transport.allowed_s == [16.0]


@given(st.lists(st.floats(0, 30), max_size=12), st.lists(st.booleans(), max_size=12), st.floats(0.01, 60))
def test_nothing_goes_on_after_the_deadline(takes_s: list[float], fails: list[bool], timeout_s: float) -> None:
    clock = Clock()
    failures = [lost() if number % 2 else ServerBusyError("full.") for number, failed in enumerate(fails) if failed]
    transport = TimedTransport(clock, takes_s, failures=failures)
    try:
        ask(core_of(transport, clock=clock), timeout_s=timeout_s)
    except ServerError:
        assert transport.allowed_s
    assert clock.now_s <= timeout_s * (1 + 1e-9)
    assert all(0 <= allowed_s <= timeout_s for allowed_s in transport.allowed_s)


def test_only_the_last_may_wait_in_the_queue_for_as_long_as_it_likes() -> None:
    fake = FakeTransport(failures=[ServerBusyError("full."), ServerBusyError("full.")])
    ask(core_of(fake), causes=("busy",))
    assert [options.queue_timeout_s for options in fake.options] == [8.0, 8.0, 16.0]


def test_the_reasons_of_several_steps_are_all_told() -> None:
    failures = [ServerOutOfMemoryError("2048 is too large."), ServerBusyError("1536 is busy.")]
    request = Request("maximum")
    ask(core_of(FakeTransport(failures=failures)), request=request)
    assert request.record.fallback_reason == "2048 is too large. 1536 is busy."
    assert request.record.fallback_cause == "ServerOutOfMemoryError"
    assert (request.record.served, request.record.model, request.record.model_version) == (
        "standard",
        "inspyrenet_1024",
        "1",
    )


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (ServerOutOfMemoryError("x"), "memory"),
        (ServerBusyError("x"), "busy"),
        (ServerTimeoutError("x"), "timeout"),
    ],
)
def test_each_reason_can_be_allowed_alone(failure: ServerError, cause: FallbackCause) -> None:
    assert ask(core_of(FakeTransport(failures=[failure])), causes=(cause,)).preset.name == "high"
    others = tuple(other for other in ALL if other != cause)
    with pytest.raises(type(failure)):
        ask(core_of(FakeTransport(failures=[failure])), causes=others)


def test_the_same_model_is_not_asked_again_when_it_was_too_large() -> None:
    fake = FakeTransport(failures=[ServerOutOfMemoryError("standard is too large."), ServerBusyError("x")])
    with pytest.raises(ServerOutOfMemoryError):
        ask(core_of(fake), "standard", "stable")
    assert fake.requests == ["inspyrenet_1024"]
    fake = FakeTransport(failures=[ServerBusyError("full.")])
    assert ask(core_of(fake), "standard", "stable").preset.name == "stable"


def failing(core: Core, failure: type[ServerError], times: int, **options: Any) -> None:
    for _ in range(times):
        with pytest.raises(failure):
            ask(core, "maximum", **options)


def test_an_open_circuit_costs_the_server_nothing_and_is_a_reason_to_step_down() -> None:
    fake, clock = FakeTransport(failures=[InferenceError("boom.")] * 5), Clock()
    core = core_of(fake, clock=clock)
    failing(core, InferenceError, 5)
    request = Request("maximum")
    assert ask(core, request=request).preset.name == "high"
    assert fake.requests[5:] == ["inspyrenet_1536"]
    assert request.record.fallback_cause == "CircuitOpenError"
    with pytest.raises(CircuitOpenError):
        ask(core, causes=("memory", "busy", "timeout"))
    clock.now_s += Settings().breaker_probe_s
    assert ask(core).preset.name == "maximum"
    states = core.transport.breakers.states
    assert states == {"inspyrenet_2048": "closed", "inspyrenet_1536": "closed", "matting": "closed"}


def test_a_circuit_that_memory_has_opened_counts_as_memory() -> None:
    core = core_of(FakeTransport(failures=[ServerOutOfMemoryError("x")] * 5))
    failing(core, ServerOutOfMemoryError, 5)
    assert ask(core, causes=("memory",)).preset.name == "high"


def test_where_nothing_answers_nothing_smaller_is_asked() -> None:
    fake = FakeTransport(failures=[lost()] * 5)
    core = core_of(fake, retries=0)
    failing(core, ServerUnreachableError, 5)
    with pytest.raises(CircuitOpenError):
        ask(core)
    assert len(fake.requests) == 5


def test_a_version_has_a_circuit_of_its_own() -> None:
    fake = FakeTransport(failures=[InferenceError("boom.")] * 5)
    core = core_of(fake)
    failing(core, InferenceError, 5, version="2")
    request = Request("maximum")
    ask(core, version="1", request=request)
    assert request.record.model_version == "1"
    assert [options.version for options in fake.options] == ["2"] * 5 + ["1"]


def test_what_goes_along_with_the_picture() -> None:
    fake, request = FakeTransport(), Request("maximum", headers={"traceparent": "00-1-2-01"})
    ask(core_of(fake), request=request)
    (options,) = fake.options
    assert (options.request_id, options.headers, options.cancel) == (
        request.record.request_id,
        request.headers,
        request.cancel,
    )


def test_a_cancel_ends_the_wait_before_a_retry() -> None:
    cancel = CancelToken()

    class Lost(FakeTransport):
        def infer(self, model: str, image: Any, *, timeout_s: float, options: Any = None) -> Inference:
            self.requests.append(model)
            threading.Timer(0.05, cancel.cancel).start()
            raise lost()

    fake = Lost()
    with pytest.raises(RequestCancelledError):
        ask(impatient(fake), request=Request("maximum", cancel))
    assert len(fake.requests) == 1


def test_a_request_that_was_taken_back_is_never_sent() -> None:
    cancel, fake = CancelToken(), FakeTransport()
    cancel.cancel()
    with pytest.raises(RequestCancelledError):
        ask(core_of(fake), request=Request("maximum", cancel))
    assert not fake.requests
