"""The client for asyncio: the same one, awaited. Imaging computes in threads in any case, and so do its requests."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from tuft.client import Client
from tuft.concurrency import DEFAULT_CONCURRENCY, MapResult, forget_locals, require_concurrency
from tuft.errors import OptionError, ServerUnreachableError
from tuft.inference.resilience import CancelToken, linked_token
from tuft.options import require_known, require_many

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
    from types import TracebackType
    from typing import Any, Concatenate, TypeAlias, TypeVar

    from typing_extensions import Unpack

    from tuft.animation import CutoutAnimation
    from tuft.client import ClientOptions
    from tuft.cutout import Cutout
    from tuft.imaging import ImageSource
    from tuft.options import RemoveOptions
    from tuft.presets import Preset
    from tuft.settings import Settings

    Value = TypeVar("Value")
    Photographs: TypeAlias = "Iterable[ImageSource] | AsyncIterable[ImageSource]"


class AsyncClient:
    """Cuts out subjects from asyncio programs: a `tuft.Client` whose methods are awaited.

    A task that is cancelled, also by `asyncio.timeout` or `wait_for`, cancels its request down to the server. At most
    `concurrency` requests are worked on at once; the others wait for their turn. The client belongs to no event loop.

    Args:
        url: As for `tuft.Client`.
        concurrency: How many requests are worked on at once, above zero.
        options: The other arguments of `tuft.Client`.

    Attributes:
        client: The client that it uses, with its `settings`, `cache`, `circuits` and `fallbacks`.

    Raises:
        OptionError: An argument or a setting has no such value.
        SetupError: What is needed for `url` is not installed.
    """

    def __init__(
        self, url: str | None = None, *, concurrency: int = DEFAULT_CONCURRENCY, **options: Unpack[ClientOptions]
    ) -> None:
        require_concurrency(concurrency)
        self.client = Client(url, **options)
        self._concurrency = concurrency
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="tuft-async")
        self._closed = False

    @classmethod
    def from_settings(
        cls, settings: Settings | None = None, *, concurrency: int = DEFAULT_CONCURRENCY, **arguments: Any
    ) -> AsyncClient:
        """A client that has opened what its settings ask for; see `tuft.Client.from_settings`.

        Raises:
            OptionError: A setting has no such value, or its log cannot be written.
            SetupError: A library is not installed.
        """
        made = cls(settings=settings, concurrency=concurrency, **arguments)
        made.client.open()
        return made

    async def remove(
        self, image: ImageSource, preset: str | Preset | None = None, **options: Unpack[RemoveOptions]
    ) -> Cutout:
        """Cuts the subject out of a photograph; see `tuft.Client.remove`.

        Args:
            image: As for `tuft.Client.remove`. It is read in another thread, before this returns.
            preset: As for `tuft.Client.remove`.
            options: The other arguments of `tuft.Client.remove`.

        Raises:
            TuftError: As `tuft.Client.remove`.
            asyncio.CancelledError: The task was cancelled, and the request with it.
        """
        return await self._in_thread(self.client.remove, options, image, preset)

    async def remove_frames(
        self,
        animation: ImageSource,
        preset: str | Preset | None = None,
        *,
        concurrency: int = DEFAULT_CONCURRENCY,
        **options: Unpack[RemoveOptions],
    ) -> CutoutAnimation:
        """Cuts the subject out of every frame of an animation; see `tuft.Client.remove_frames`.

        Args:
            animation: As for `tuft.Client.remove_frames`.
            preset: As for `tuft.Client.remove`.
            concurrency: How many frames are worked on at once, above zero. The animation counts as one request.
            options: The other arguments of `tuft.Client.remove`.

        Raises:
            TuftError: As `tuft.Client.remove_frames`.
            asyncio.CancelledError: The task was cancelled, and its requests with it.
        """
        frames = partial(self.client.remove_frames, concurrency=concurrency)
        return await self._in_thread(frames, options, animation, preset)

    def map(
        self,
        photographs: Photographs,
        preset: str | Preset | None = None,
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        **options: Unpack[RemoveOptions],
    ) -> AsyncGenerator[MapResult, None]:
        """Cuts the subjects out of many photographs; one that fails does not stop the others.

        As `tuft.Client.map`: at most `concurrency` photographs, twice as many if `ordered`, are in flight, however many
        there are. Leaving the loop early leaves requests in flight until the iterator is closed (`aclose`, or
        `contextlib.aclosing`) or collected; a task that is cancelled inside the loop cancels them.

        Args:
            photographs: Each as `remove` takes it, from an iterable or an asynchronous one. An iterable is advanced in
                the event loop, so one that waits should be asynchronous.
            preset: As for `remove`.
            concurrency: How many are worked on at once, above zero; the client's by default, and not more than that.
            ordered: Whether results come in the order of `photographs` rather than as they are completed.
            options: The other arguments of `remove`.

        Returns:
            An asynchronous iterator over the results, failures included.

        Raises:
            OptionError: `photographs` is a single one, or `concurrency` is not above zero; or, when the iterator is
                advanced, another argument has no such value.
            TypeError: `remove` has no argument of that name.
        """
        require_known(options)
        if not isinstance(photographs, AsyncIterable):
            require_many(photographs)
        concurrency = self._concurrency if concurrency is None else concurrency
        require_concurrency(concurrency)

        async def cut_out(index: int, photograph: ImageSource) -> MapResult:
            try:
                return MapResult(index, photograph, await self.remove(photograph, preset, **options), None)
            except OptionError:
                raise
            except Exception as error:  # any failure of one photograph must not affect the others
                forget_locals(error)
                return MapResult(index, photograph, None, error)

        return _mapped(photographs, cut_out, concurrency, ordered)

    async def close(self) -> None:
        """Closes the connection, and waits for its threads.

        Requests in flight are cancelled and end in a `RequestCancelledError`.
        """
        self._closed = True
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.client.close()
        self._threads.shutdown()  # those that have not begun find the client closed

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _in_thread(
        self, work: Callable[Concatenate[ImageSource, str | Preset | None, ...], Value], options: RemoveOptions,
        image: ImageSource, preset: str | Preset | None,
    ) -> Value:  # fmt: skip
        """The result of `work`, which is cancelled with the task that awaits it."""
        if self._closed:
            raise ServerUnreachableError("This client is closed: make a new one.")
        require_known(options)
        leaving = CancelToken()

        def run() -> Value:
            with linked_token(leaving, options.get("cancel")) as token:
                linked: RemoveOptions = {**options, "cancel": token}
                return work(image, preset, **linked)

        future = self._threads.submit(contextvars.copy_context().run, run)  # so that spans have their parents
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            leaving.cancel()
            raise


async def _mapped(
    photographs: Photographs,
    cut_out: Callable[[int, ImageSource], Awaitable[MapResult]],
    concurrency: int,
    ordered: bool,
) -> AsyncGenerator[MapResult, None]:
    # In order, finished results may have to wait for a slower one; with a larger window the threads do not wait too.
    window, at_work = asyncio.Semaphore(2 * concurrency if ordered else concurrency), asyncio.Semaphore(concurrency)
    tasks: asyncio.Queue[asyncio.Task[Any]] = asyncio.Queue()  # in the order in which they are to be awaited
    begun: set[asyncio.Task[MapResult]] = set()

    async def bounded(index: int, photograph: ImageSource) -> MapResult:
        async with at_work:
            return await cut_out(index, photograph)

    async def begin() -> None:
        numbered = _numbered(photographs)
        while True:
            await window.acquire()
            try:
                index, photograph = await anext(numbered)
            except StopAsyncIteration:
                return
            task = asyncio.create_task(bounded(index, photograph))
            begun.add(task)
            if ordered:
                tasks.put_nowait(task)
            else:
                task.add_done_callback(tasks.put_nowait)

    beginning = asyncio.create_task(begin())
    beginning.add_done_callback(tasks.put_nowait)
    try:
        while begun or not beginning.done():
            task = await tasks.get()
            if task is beginning:
                continue
            result = await task
            begun.discard(task)
            window.release()
            yield result
            del task, result  # do not keep them while waiting for the next: a 12-megapixel photograph takes 120 MB
        await beginning  # raises what the iterable has raised
    finally:
        for left in (beginning, *begun):
            left.cancel()
        await asyncio.gather(beginning, *begun, return_exceptions=True)


async def _numbered(photographs: Photographs) -> AsyncGenerator[tuple[int, ImageSource], None]:
    index = 0
    if isinstance(photographs, AsyncIterable):
        async for photograph in photographs:
            yield index, photograph
            index += 1
        return
    for pair in enumerate(photographs):
        yield pair
