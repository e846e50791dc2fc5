from __future__ import annotations

import gc
import io
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tuft import Client, FakeTransport, Settings
from tuft.concurrency import MapResult, bounded_map
from tuft.errors import NotAnImageError, OptionError, RequestCancelledError, ServerBusyError
from tuft.inference.resilience import CancelToken
from tuft.inference.transport.fake import centred_disk

QUICK = {"size": 384, "refine": "none"}


class Gate:
    """Work that records its items and waits until each is opened."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun: list[Any] = []
        self.doors: dict[Any, threading.Event] = {}
        self.arrived = threading.Condition(self.lock)

    def __call__(self, item: Any) -> Any:
        with self.lock:
            self.begun.append(item)
            door = self.doors.setdefault(item, threading.Event())
            self.arrived.notify_all()
        assert door.wait(30)
        return item

    def open(self, *items: Any) -> None:
        with self.lock:
            doors = [self.doors.setdefault(item, threading.Event()) for item in items]
        for door in doors:
            door.set()

    def wait_for(self, count: int) -> None:
        with self.lock:
            assert self.arrived.wait_for(lambda: len(self.begun) >= count, 30)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open(*range(100))  # let waiting threads finish


@given(outcomes=st.lists(st.booleans(), max_size=12), concurrency=st.integers(1, 5), ordered=st.booleans())
@settings(max_examples=40)
def test_each_item_comes_once_with_its_own_outcome(outcomes: list[bool], concurrency: int, ordered: bool) -> None:
    def work(pair: tuple[int, bool]) -> int:
        if not pair[1]:
            raise ServerBusyError(str(pair[0]))
        return pair[0] * 10

    results = list(bounded_map(enumerate(outcomes), work, concurrency=concurrency, ordered=ordered))
    if ordered:
        assert [result.index for result in results] == list(range(len(outcomes)))
    assert sorted(result.index for result in results) == list(range(len(outcomes)))
    for result in results:
        number, good = result.item
        assert number == result.index
        assert result.value == (number * 10 if good else None)
        assert (None if result.error is None else str(result.error)) == (None if good else str(number))


def test_as_completed_does_not_wait_for_the_slow_one(gate: Gate) -> None:
    results = bounded_map(range(3), gate, concurrency=2, ordered=False)
    gate.open(1, 2)
    assert [next(results).index, next(results).index] == [1, 2]
    gate.open(0)
    assert [result.index for result in results] == [0]


def test_in_order_the_workers_go_on_while_one_is_slow(gate: Gate) -> None:
    results = bounded_map(range(10), gate, concurrency=2)
    gate.open(*range(1, 10))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, results)
        gate.wait_for(4)  # 0 is still in work
        gate.open(0)
        assert first.result(30).index == 0
    assert [result.index for result in results] == list(range(1, 10))


@pytest.mark.parametrize("ordered", [True, False])
def test_an_endless_source_is_taken_a_few_at_a_time(ordered: bool) -> None:
    taken = 0

    def source() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = bounded_map(source(), lambda item: item, concurrency=3, ordered=ordered)
    for handed_out in range(1, 200):
        next(results)
        assert taken - handed_out <= (6 if ordered else 3)
    results.close()


def test_a_result_is_not_kept_while_the_next_is_waited_for() -> None:
    class Photograph:
        pass

    gone = [threading.Event() for _ in range(5)]

    def work(number: int) -> Photograph:
        assert number == 0 or gone[number - 1].wait(5)
        return Photograph()

    for result in bounded_map(range(5), work, concurrency=1, ordered=False):
        assert result.value is not None
        weakref.finalize(result.value, gone[result.index].set)
        del result


@pytest.mark.parametrize("ordered", [True, False])
def test_no_more_at_once_than_allowed(gate: Gate, ordered: bool) -> None:
    results = bounded_map(range(20), gate, concurrency=3, ordered=ordered)
    gate.open(0)
    next(results)
    gate.wait_for(4)
    assert sorted(gate.begun) == [0, 1, 2, 3]
    results.close()


def test_leaving_waits_for_nothing_and_drops_what_has_not_begun(gate: Gate) -> None:
    results = bounded_map(range(20), gate, concurrency=2)
    gate.open(0)
    next(results)
    gate.wait_for(3)
    results.close()  # 1 and 2 are still in work
    gate.open(*range(20))
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith("tuft")]:
        thread.join(30)
    assert sorted(gate.begun) == [0, 1, 2]


@pytest.mark.parametrize("ordered", [True, False])
def test_a_source_that_breaks_is_told_after_what_it_gave(ordered: bool) -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise ZeroDivisionError

    results = bounded_map(source(), lambda item: item, concurrency=2, ordered=ordered)
    given: list[int] = []
    with pytest.raises(ZeroDivisionError):
        given.extend(result.index for result in results)
    assert sorted(given) == list(range(5))


def test_no_concurrency_is_refused_at_once() -> None:
    for concurrency in (0, -1, 1.5, "2", None):
        with pytest.raises(OptionError, match="concurrency"):
            bounded_map([1], lambda item: item, concurrency=concurrency)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["text", "path", "bytes", "file", "picture", "array", "none", "number"])
def test_a_single_photograph_is_not_taken_apart(client: Client, scene: Any, tmp_path: Path, kind: str) -> None:
    single = {
        "text": "dog.jpg",
        "path": tmp_path / "dog.jpg",
        "bytes": b"dog",
        "file": io.BytesIO(b"dog"),
        "picture": Image.fromarray(scene.rgb),
        "array": scene.rgb,
        "none": None,
        "number": 5,
    }[kind]
    with pytest.raises(OptionError, match="map takes many"):
        client.map(single)


def test_an_array_of_photographs_is_many(client: Client, scene: Any) -> None:
    results = list(client.map(np.stack([scene.rgb, scene.rgb]), **QUICK))
    assert [result.error for result in results] == [None, None]


def test_the_client_maps_what_it_would_remove(client: Client, scene: Any) -> None:
    photos = [np.roll(scene.rgb, 9 * number, axis=1) for number in range(5)]
    results = list(client.map((photo for photo in photos), concurrency=3, **QUICK))
    assert [result.index for result in results] == list(range(5))
    for photo, result in zip(photos, results, strict=True):
        assert isinstance(result, MapResult)
        assert result.source is photo
        assert result.error is None
        assert result.cutout is not None
        np.testing.assert_array_equal(result.cutout.rgba, client.remove(photo, **QUICK).rgba)


def test_one_photograph_that_fails_does_not_stop_the_rest(client: Client, scene: Any) -> None:
    results = list(client.map([scene.rgb, b"no picture", scene.rgb], **QUICK))
    assert [result.cutout is None for result in results] == [False, True, False]
    assert isinstance(results[1].error, NotAnImageError)


def test_several_requests_are_in_flight_together(scene: Any) -> None:
    together = threading.Barrier(3)

    def saliency(image: Any) -> Any:
        together.wait(30)  # broken if fewer arrive
        return centred_disk(image)

    with Client(transport=FakeTransport(saliency)) as client:
        assert all(result.error is None for result in client.map([scene.rgb] * 6, concurrency=3, **QUICK))


def test_a_wrong_argument_is_told_once_and_not_for_each_photograph(client: Client, fake: FakeTransport) -> None:
    with pytest.raises(TypeError, match="refinement"):
        client.map([b""], refinement="none")
    with pytest.raises(OptionError, match="concurrency"):
        client.map([b""], concurrency=0)
    with pytest.raises(OptionError, match="best"):
        next(client.map([b""] * 10, "best"))
    assert not fake.requests


def test_leaving_the_loop_takes_back_what_is_on_its_way(scene: Any) -> None:
    reached, go_on, ended = threading.Semaphore(0), threading.Event(), []

    class Slow(FakeTransport):
        def infer(self, model: str, image: Any, **arguments: Any) -> Any:
            if not self.requests:
                return super().infer(model, image, **arguments)
            cancel = arguments["options"].cancel
            self.requests.append(model)
            reached.release()
            try:
                cancel.wait(30)
            except RequestCancelledError:
                ended.append(model)
                go_on.set()
                raise
            raise AssertionError("nobody has taken it back")

    with Client(transport=Slow(), settings=Settings(retries=0)) as client:
        for result in client.map([scene.rgb] * 20, concurrency=1, **QUICK):
            assert result.error is None
            assert reached.acquire(timeout=30)
            break
        del result
        gc.collect()
        assert go_on.wait(30)
        assert len(ended) == 1
        client.transport.requests.clear()  # type: ignore[attr-defined]
        assert client.remove(scene.rgb, **QUICK).rgba is not None  # the client still works


def test_a_token_of_the_callers_takes_all_back(scene: Any) -> None:
    cancel = CancelToken()
    with Client(transport=FakeTransport()) as client:
        results = client.map([scene.rgb] * 4, concurrency=1, cancel=cancel, **QUICK)
        assert next(results).error is None
        cancel.cancel()
        assert isinstance(list(results)[-1].error, RequestCancelledError)
