"""The client for asyncio, in front of a server in this process that tells what reached it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.triton_double import SIZE, Double, listening

from tuft import (
    AsyncClient,
    CancelToken,
    Client,
    FakeTransport,
    ImageNotFoundError,
    OptionError,
    RequestCancelledError,
    ServerUnreachableError,
    Settings,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from numpy.typing import NDArray

WAIT_S = 30.0


@pytest.fixture
def photo(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)


class Busy(FakeTransport):
    """Counts the requests at work, each of which waits for `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.at_work = self.most = 0

    def infer(self, *arguments: Any, **options: Any) -> Any:
        with self._lock:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        self.go.wait(WAIT_S)
        try:
            return super().infer(*arguments, **options)
        finally:
            with self._lock:
                self.at_work -= 1


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, WAIT_S)


def test_it_gives_what_the_client_gives(photo: NDArray[np.uint8]) -> None:
    async def cut_out(transport: FakeTransport) -> Any:
        async with AsyncClient(transport=transport, settings=Settings()) as client:
            return await client.remove(photo, "high", refine="none")

    transport = FakeTransport()
    found = asyncio.run(cut_out(transport))
    with Client(transport=FakeTransport(), settings=Settings()) as client:
        np.testing.assert_array_equal(found.rgba, client.remove(photo, "high", refine="none").rgba)
    assert (found.preset, len(transport.requests)) == ("high", 1)


@pytest.mark.parametrize("way", ["cancel", "wait_for", "token", "close"])
def test_a_cancelled_task_cancels_its_request_on_the_server(way: str, photo: NDArray[np.uint8]) -> None:
    token = CancelToken()

    async def leave(client: AsyncClient, task: asyncio.Task[Any]) -> None:
        if way == "cancel":
            task.cancel()
        elif way == "wait_for":
            await asyncio.wait_for(task, 0.001)
        elif way == "token":
            token.cancel()
        else:
            await client.close()
        await task

    async def scenario(address: str) -> None:
        async with AsyncClient(address, settings=Settings(url=address)) as client:
            task = asyncio.create_task(client.remove(photo, size=SIZE, cancel=token))
            await until(double.asked)
            with pytest.raises((asyncio.CancelledError, TimeoutError, asyncio.TimeoutError, RequestCancelledError)):
                await leave(client, task)
            await until(double.abandoned)  # the server was told

    double = Double(delay_s=WAIT_S)
    with listening(double) as address:
        asyncio.run(scenario(address))
    assert len(double.requests) == 1


def test_a_cancelled_task_that_waits_for_its_turn_never_asks(photo: NDArray[np.uint8]) -> None:
    async def scenario() -> None:
        async with AsyncClient(transport=busy, settings=Settings(), concurrency=1) as client:
            first, second, third = (asyncio.create_task(client.remove(photo)) for _ in range(3))
            await asyncio.sleep(0.01)
            second.cancel()
            busy.go.set()
            await asyncio.gather(first, third)
            assert second.cancelled()

    busy = Busy()
    asyncio.run(scenario())
    assert len(busy.requests) == 2


def test_concurrency_is_bounded(photo: NDArray[np.uint8]) -> None:
    async def scenario() -> None:
        async with AsyncClient(transport=busy, settings=Settings(), concurrency=3) as client:
            tasks = [asyncio.create_task(client.remove(photo)) for _ in range(12)]
            while busy.at_work < 3:
                await asyncio.sleep(0.001)
            busy.go.set()
            await asyncio.gather(*tasks)

    busy = Busy()
    asyncio.run(scenario())
    assert (busy.most, len(busy.requests)) == (3, 12)


async def drawn(photo: NDArray[np.uint8], count: int, taken: list[int]) -> AsyncIterator[NDArray[np.uint8]]:
    for index in range(count):
        taken.append(index)
        yield photo


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("asynchronous", [True, False])
def test_map_gives_every_result_once(ordered: bool, asynchronous: bool, photo: NDArray[np.uint8]) -> None:
    async def scenario() -> list[int]:
        async with AsyncClient(transport=FakeTransport(), settings=Settings(), concurrency=3) as client:
            photographs = drawn(photo, 9, []) if asynchronous else (photo for _ in range(9))
            return [found.index async for found in client.map(photographs, ordered=ordered) if found.cutout]

    indices = asyncio.run(scenario())
    assert indices == list(range(9)) if ordered else sorted(indices) == list(range(9))


def test_map_takes_no_more_than_it_needs(photo: NDArray[np.uint8]) -> None:
    async def scenario() -> None:
        async with AsyncClient(transport=FakeTransport(), settings=Settings(), concurrency=2) as client:
            async with aclosing(client.map(drawn(photo, 10**6, taken))) as results:
                async for found in results:
                    await asyncio.sleep(0.01)
                    if found.index == 5:
                        break
            known = len(taken)
            await asyncio.sleep(0.02)
            assert len(taken) == known

    taken: list[int] = []
    asyncio.run(scenario())
    assert len(taken) <= 5 + 1 + 2 * 2


def test_one_that_fails_does_not_stop_the_others(photo: NDArray[np.uint8]) -> None:
    async def scenario() -> list[Any]:
        async with AsyncClient(transport=FakeTransport(), settings=Settings()) as client:
            return [found async for found in client.map([photo, "nowhere.jpg", photo])]

    first, missing, last = asyncio.run(scenario())
    assert (first.error, last.error) == (None, None)
    assert isinstance(missing.error, ImageNotFoundError)
    assert missing.source == "nowhere.jpg"


def test_an_iterable_that_fails_does_so_after_the_results_before_it(photo: NDArray[np.uint8]) -> None:
    def two_and_a_fault() -> Iterator[NDArray[np.uint8]]:
        yield photo
        yield photo
        raise RuntimeError("the disk is gone")

    async def scenario() -> None:
        async with AsyncClient(transport=FakeTransport(), settings=Settings()) as client:
            async for found in client.map(two_and_a_fault()):
                seen.append(found.index)

    seen: list[int] = []
    with pytest.raises(RuntimeError, match="disk"):
        asyncio.run(scenario())
    assert seen == [0, 1]


def test_a_cancelled_loop_cancels_what_is_in_flight(photo: NDArray[np.uint8]) -> None:
    async def loop(client: AsyncClient) -> None:
        async for _ in client.map([photo] * 8, size=SIZE, ordered=False):
            pass

    async def scenario(address: str) -> None:
        async with AsyncClient(address, settings=Settings(url=address), concurrency=2) as client:
            task = asyncio.create_task(loop(client))
            while len(double.requests) < 2:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(double.abandoned)

    double = Double(delay_s=WAIT_S)
    with listening(double) as address:
        asyncio.run(scenario(address))
    assert len(double.requests) == 2


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda client: client.map("dog.jpg"), OptionError),
        (lambda client: client.map(["dog.jpg"], concurrency=0), OptionError),
        (lambda client: client.map(["dog.jpg"], colour="red"), TypeError),
        (lambda client: client.remove("dog.jpg", colour="red"), TypeError),
        (lambda client: client.remove("dog.jpg", cancel="now"), OptionError),
        (lambda client: client.remove("dog.jpg", timeout_s="5"), OptionError),
    ],
)
def test_wrong_arguments(wrong: Any, error: type[Exception]) -> None:
    async def scenario() -> None:
        async with AsyncClient(transport=FakeTransport(), settings=Settings()) as client:
            with pytest.raises(error):
                await wrong(client)

    asyncio.run(scenario())


def test_settings_are_opened_by_from_settings_alone(tmp_path: Any) -> None:
    settings = Settings(cache_dir=str(tmp_path / "cache"))

    async def scenario() -> None:
        async with AsyncClient(settings=settings, transport=FakeTransport()):
            assert not (tmp_path / "cache").exists()
        async with AsyncClient.from_settings(settings, transport=FakeTransport()) as client:
            assert (tmp_path / "cache").exists()
            assert client.client.cache is not None

    asyncio.run(scenario())


def test_closing_ends_what_is_at_work_and_what_waits(photo: NDArray[np.uint8]) -> None:
    async def scenario(address: str) -> list[Any]:
        client = AsyncClient(address, settings=Settings(url=address), concurrency=1)
        tasks = [asyncio.create_task(client.remove(photo, size=SIZE)) for _ in range(3)]
        await until(double.asked)
        await client.close()
        return await asyncio.gather(*tasks, return_exceptions=True)

    double = Double(delay_s=WAIT_S)
    with listening(double) as address:
        first, *others = asyncio.run(scenario(address))
    assert isinstance(first, RequestCancelledError)
    assert [str(error) for error in others] == ["This client is closed: make a new one."] * 2
    assert len(double.requests) == 1


def test_a_closed_client_says_so(photo: NDArray[np.uint8]) -> None:
    async def scenario() -> None:
        client = AsyncClient(transport=FakeTransport(), settings=Settings())
        await client.close()
        await client.close()
        with pytest.raises(ServerUnreachableError, match="closed"):
            await client.remove(photo)

    asyncio.run(scenario())


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, "4"])
def test_concurrency_above_zero(concurrency: Any) -> None:
    with pytest.raises(OptionError, match="concurrency"):
        AsyncClient(concurrency=concurrency, transport=FakeTransport())
