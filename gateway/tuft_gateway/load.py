"""Bounded work: so many photographs at once, so many waiting, and none for a client that has gone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tuft import CancelToken
from tuft_gateway.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from starlette.requests import Request

Value = TypeVar("Value")


class Load:
    """Work in threads: `concurrency` pieces at once; with them at most `queue` more requests are let in.

    Args:
        concurrency: Threads.
        queue: Requests that may be let in beyond those.
    """

    def __init__(self, concurrency: int, queue: int) -> None:
        self.concurrency = concurrency
        self._places = concurrency + queue
        self._permits = asyncio.Semaphore(concurrency)
        self._threads = ThreadPoolExecutor(concurrency, "tuft-gateway")
        self._let_in = 0
        self._working = 0

    @property
    def waiting(self) -> int:
        """Requests let in that are not being worked on: being received, queued, or being sent."""
        return max(self._let_in - self._working, 0)

    @property
    def working(self) -> int:
        """Pieces of work in threads."""
        return self._working

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one request, from before its body is read until its answer has been sent.

        So answers in memory are bounded, too, however slowly they are taken.

        Raises:
            ApiError: `too_busy`, all places are taken.
        """
        if self._let_in >= self._places:
            raise ApiError("too_busy", "All places in the queue are taken: send the request again in a moment.")
        self._let_in += 1
        try:
            yield
        finally:
            self._let_in -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Turn]:
        """One of the `concurrency` turns, from decoding to encoding: so many decoded photographs are in memory.

        A thread cannot be stopped: the turn is over when it has ended, not when nobody waits for it any more.
        """
        await self._permits.acquire()
        self._working += 1
        turn = Turn(self._threads)
        try:
            yield turn
        finally:
            turn.when_idle(self._release)

    def close(self) -> None:
        """Waits for the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _release(self) -> None:
        self._working -= 1
        self._permits.release()


class Turn:
    """The work of one request in threads, one piece after the other."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._last: asyncio.Future[Any] | None = None

    async def run(self, work: Callable[[], Value], cancel: CancelToken) -> Value:
        """The value of `work()` in a thread; when this coroutine is cancelled, so is `cancel`."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._last = future
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            cancel.cancel()
            raise

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Calls `callback` once no work is in a thread."""
        if self._last is None or self._last.done():
            callback()
            return

        def ended(done: asyncio.Future[Any]) -> None:
            if not done.cancelled():
                done.exception()  # an error that nobody waits for is no error
            callback()

        self._last.add_done_callback(ended)


async def unless_disconnected(request: Request, work: Coroutine[Any, Any, Value]) -> Value:
    """The value of `work`, which is cancelled when the client closes the connection; its body must have been read.

    Raises:
        ApiError: `client_closed_request`.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.wait((working,))
        raise ApiError("client_closed_request")
    finally:
        working.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
