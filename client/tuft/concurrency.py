"""Many photographs at once: a few are worked on, none waits for long, and memory does not grow with their number."""

from __future__ import annotations

import traceback
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from tuft.errors import OptionError
from tuft.imaging.pixels import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from tuft.cutout import Cutout
    from tuft.imaging import ImageSource
    from tuft.inference.resilience import CancelToken

# One photograph is prepared while the server works on another; where more processors are, more are prepared.
DEFAULT_CONCURRENCY: Final = max(2, THREADS)

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class MapResult:
    """What became of one photograph of many; either `cutout` or `error` is None.

    Attributes:
        index: Its place among the photographs given, from 0.
        source: The photograph as it was given.
        cutout: The result.
        error: Why there is none.
    """

    index: int
    source: ImageSource = field(repr=False)
    cutout: Cutout | None
    error: Exception | None


@dataclass(frozen=True, eq=False)
class Finished(Generic[Item, Value]):
    """What became of one item; `error` is None if `value` is what its work has returned.

    Attributes:
        index: Its place among the items given, from 0.
        item: The item.
        value: What came out; None if it failed.
        error: Why it failed.
    """

    index: int
    item: Item
    value: Value | None
    error: Exception | None


def map_results(
    results: Generator[Finished[ImageSource, Cutout], None, None], leaving: CancelToken
) -> Generator[MapResult, None, None]:
    """What `tuft.Client.map` hands back; leaving its loop takes back, by `leaving`, what is on its way.

    Raises:
        OptionError: An argument has no such value: of no photograph, but of all.
    """
    with closing(results):
        try:
            yield from map(_map_result, results)
        finally:
            leaving.cancel()


def _map_result(finished: Finished[ImageSource, Cutout]) -> MapResult:
    if isinstance(finished.error, OptionError):
        raise finished.error
    return MapResult(finished.index, finished.item, finished.value, finished.error)


def work_through(
    items: Iterable[Item],
    work: Callable[[Item], Value],
    *,
    concurrency: int = DEFAULT_CONCURRENCY,
    ordered: bool = True,
) -> Generator[Finished[Item, Value], None, None]:
    """Does `work` for all items, a few at a time; one that fails does not stop the others.

    At most `concurrency` items, twice as many if `ordered`, are taken and not yet handed back, however many there are:
    `items` may be a generator without an end. It is advanced in the thread of whoever takes the results; what it
    raises comes after the results of the items before. Closing the iterator, or an exception while it waits, drops
    what has not begun and waits for nothing; what has begun ends on its own.

    Args:
        items: What to work on.
        work: Called from several threads.
        concurrency: How many are worked on at once.
        ordered: Whether results come in the order of `items` rather than as they are completed.

    Raises:
        OptionError: `concurrency` is not above zero.
    """
    if concurrency < 1:
        raise OptionError(f"{concurrency} at once is nothing at all: give a concurrency above zero.")
    return _results(iter(items), work, concurrency, ordered)


def _results(
    items: Iterator[Item], work: Callable[[Item], Value], concurrency: int, ordered: bool
) -> Generator[Finished[Item, Value], None, None]:
    def finish(index: int, item: Item) -> Finished[Item, Value]:
        try:
            return Finished(index, item, work(item), None)
        except Exception as error:  # one item's trouble, a defect of tuft included, is not the others'
            _forget_locals(error)
            return Finished(index, item, None, error)

    # A few finished ones may wait for a slower one before them; otherwise the workers would wait for it as well.
    window = 2 * concurrency if ordered else concurrency
    begun: deque[Future[Finished[Item, Value]]] = deque()
    numbered = _Numbered(items)
    executor = ThreadPoolExecutor(concurrency, thread_name_prefix="tuft")
    try:
        begun.extend(executor.submit(finish, *pair) for pair in numbered.next(window))
        while begun:
            result = _taken(begun, ordered).result()
            # Before the result is handed out: the others go on while somebody works with it.
            begun.extend(executor.submit(finish, *pair) for pair in numbered.next(1))
            yield result
            del result  # not kept while the next is waited for: a photograph of 12 megapixels takes 120 MB
        numbered.raise_failure()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _forget_locals(error: BaseException | None) -> None:
    """Empties the frames that led to `error`: the photograph is in them, and whoever collects errors keeps them."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _taken(begun: deque[Future[Value]], ordered: bool) -> Future[Value]:
    """The first of `begun`, or one that is done, taken out of it."""
    if ordered:
        return begun.popleft()
    done = next(iter(wait(begun, return_when=FIRST_COMPLETED).done))
    begun.remove(done)
    return done


class _Numbered(Generic[Item]):
    """Items with their numbers, some at a time; what the iterator raises ends it, and is kept for the end."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._pairs = enumerate(items)
        self._failure: Exception | None = None

    def next(self, count: int) -> list[tuple[int, Item]]:
        """Up to `count` more."""
        pairs: list[tuple[int, Item]] = []
        try:
            while len(pairs) < count and self._failure is None:
                pairs.append(next(self._pairs))
        except StopIteration:
            pass
        except Exception as error:
            self._failure = error
        return pairs

    def raise_failure(self) -> None:
        """Raises what the iterator has raised, if it has."""
        if self._failure is not None:
            raise self._failure
