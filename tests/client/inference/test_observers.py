from __future__ import annotations

import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tuft import Client, FakeTransport, Observer, RequestEvent, Settings
from tuft.errors import NotAnImageError, OptionError, ServerOutOfMemoryError, ServerTimeoutError, ServerUnreachableError
from tuft.stopwatch import STAGES

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notes(Observer):
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str]] = []
        self.events: list[RequestEvent] = []

    def request_started(self, request_id: str, requested: str) -> None:
        self.started.append((request_id, requested))

    def headers(self, request_id: str) -> Mapping[str, str]:
        return {"traceparent": f"00-{request_id}-0000000000000001-01"}

    def request_finished(self, event: RequestEvent) -> None:
        self.events.append(event)


@pytest.fixture
def notes() -> Notes:
    return Notes()


def test_a_request_that_ends_well(fake: FakeTransport, scene: Any, notes: Notes) -> None:
    cutout = Client(transport=fake, observers=[notes]).remove(scene.rgb, "high", refine="none")
    (event,) = notes.events
    assert notes.started == [(event.request_id, "high")]
    assert (event.requested, event.served, event.outcome) == ("high", "high", "ok")
    assert (event.model, event.model_version) == (cutout.model, cutout.model_version)
    assert (event.attempts, event.retries, event.cache) == (1, 0, "off")
    assert event.fallback_reason is event.fallback_cause is event.variant is None
    assert event.size_hw == scene.rgb.shape[:2]
    np.testing.assert_array_equal(event.alpha, cutout.alpha)
    assert tuple(event.milliseconds) == STAGES
    assert event.total_ms >= sum(event.milliseconds.values())
    assert fake.options[0].request_id == event.request_id
    assert fake.options[0].headers == {"traceparent": f"00-{event.request_id}-0000000000000001-01"}


def test_one_that_steps_down_and_is_retried(scene: Any, notes: Notes) -> None:
    failures = [ServerOutOfMemoryError("too large."), ServerUnreachableError("lost.")]
    client = Client(transport=FakeTransport(scene.saliency, failures=failures), observers=[notes])
    client.remove(scene.rgb, "maximum", refine="none")
    (event,) = notes.events
    assert (event.requested, event.served, event.outcome) == ("maximum", "high", "ok")
    assert (event.fallback_reason, event.fallback_cause) == ("too large.", "ServerOutOfMemoryError")
    assert (event.attempts, event.retries) == (3, 1)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (ServerTimeoutError("late"), "ServerTimeoutError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_one_that_fails_is_told_of_all_the_same(scene: Any, notes: Notes, failure: BaseException, outcome: str) -> None:
    client = Client(transport=FakeTransport(failures=[failure]), observers=[notes])  # type: ignore[list-item]
    with pytest.raises(type(failure)):
        client.remove(scene.rgb, "maximum")
    (event,) = notes.events
    assert (event.outcome, event.served, event.model, event.alpha) == (outcome, None, "inspyrenet_2048", None)
    assert event.attempts == 1


def test_one_that_is_no_picture_and_one_that_is_no_request(fake: FakeTransport, notes: Notes) -> None:
    client = Client(transport=fake, observers=[notes])
    with pytest.raises(NotAnImageError):
        client.remove(b"no picture")
    (event,) = notes.events
    assert (event.outcome, event.size_hw, event.model, event.attempts) == ("NotAnImageError", None, None, 0)
    with pytest.raises(OptionError):
        client.remove(b"no picture", "best")
    assert len(notes.started) == len(notes.events) == 1


class Broken(Observer):
    """Fails at everything."""

    def request_started(self, request_id: str, requested: str) -> None:
        raise RuntimeError("started")

    def headers(self, request_id: str) -> Mapping[str, str]:
        raise RuntimeError("headers")

    def request_finished(self, event: RequestEvent) -> None:
        raise RuntimeError("finished")


def test_a_broken_observer_is_logged_once_and_harms_nobody(
    fake: FakeTransport, scene: Any, notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(transport=fake, observers=[Broken(), notes])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            client.remove(scene.rgb, size=384, refine="none")
    assert len(notes.events) == 3
    assert fake.options[0].headers
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == [
        "Broken.request_started",
        "Broken.headers",
        "Broken.request_finished",
    ]


def test_an_observer_writes_only_what_it_needs(fake: FakeTransport, scene: Any, caplog: Any) -> None:
    class Counter(Observer):
        count = 0

        def request_finished(self, event: RequestEvent) -> None:
            self.count += 1

    counter = Counter()
    Client(transport=fake, observers=[counter]).remove(scene.rgb, size=384)
    assert counter.count == 1
    assert not caplog.records


def test_requests_of_many_threads_are_told_apart(fake: FakeTransport, scene: Any, notes: Notes) -> None:
    client = Client(transport=fake, observers=[notes], settings=Settings())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.remove(scene.rgb, size=384, refine="none"), range(24)))
    ids = {event.request_id for event in notes.events}
    assert len(ids) == 24
    assert ids == {request_id for request_id, _ in notes.started}
    assert ids == {options.request_id for options in fake.options}


def test_an_event_cannot_be_changed(fake: FakeTransport, scene: Any, notes: Notes) -> None:
    Client(transport=fake, observers=[notes]).remove(scene.rgb, size=384)
    with pytest.raises(dataclasses.FrozenInstanceError):
        notes.events[0].outcome = "ok"  # type: ignore[misc]
    with pytest.raises(TypeError):
        notes.events[0].milliseconds["network"] = 0  # type: ignore[index]
