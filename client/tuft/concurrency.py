"""Bounded concurrency: many items, a few of them at a time, in memory that does not grow with their number."""

from __future__ import annotations

import traceback
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from tuft.errors import OptionError
from tuft.imaging.pixels import THREADS
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from tuft.cutout import Cutout
    from tuft.imaging import ImageSource
    from tuft.inference.resilience import CancelToken

# The client prepares one photograph while the server works on another; more processors prepare more at once.
DEFAULT_CONCURRENCY: Final = max(2, THREADS)

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class MapResult:
    """The result for one of many photographs; either `cutout` or `error` is None.

    Attributes:
        index: Position in the input, from 0.
        source: The photograph as it was given.
        cutout: The result.
        error: Why there is no result.
    """

    index: int
    source: ImageSource = field(repr=False)
    cutout: Cutout | None
    error: Exception | None


@dataclass(frozen=True, eq=False)
class TaskResult(Generic[Item, Value]):
    """The result for one item.

    Attributes:
        index: Position in the input, from 0.
        item: The item.
        value: The return value of the work; None if the work failed.
        error: The exception that the work raised; None if it succeeded.
    """

    index: int
    item: Item
    value: Value | None
    error: Exception | None


def map_results(
    results: Generator[TaskResult[ImageSource, Cutout], None, None], leaving: CancelToken
) -> Generator[MapResult, None, None]:
    """The results of `tuft.Client.map`.

    Args:
        results: One for each photograph.
        leaving: Cancelled when the caller stops iterating, to cancel the requests in flight.

    Raises:
        OptionError: An argument is invalid. It is the same for every photograph, so the first one ends the iteration.
    """
    with closing(results):
        try:
            yield from map(_map_result, results)
        finally:
            leaving.cancel()


def _map_result(finished: TaskResult[ImageSource, Cutout]) -> MapResult:
    if isinstance(finished.error, OptionError):
        raise finished.error
    return MapResult(finished.index, finished.item, finished.value, finished.error)


def bounded_map(
    items: Iterable[Item],
    work: Callable[[Item], Value],
    *,
    concurrency: int = DEFAULT_CONCURRENCY,
    ordered: bool = True,
) -> Generator[TaskResult[Item, Value], None, None]:
    """Applies `work` to each item with bounded concurrency; a failure does not stop the other items.

    At most `concurrency` items (twice as many if `ordered`) have been taken from `items` without their result having
    been yielded, so `items` may be an endless generator. It is advanced in the thread that iterates over the results.
    An exception that `items` raises is re-raised after the results of the items before it. Closing the iterator, or an
    exception while it waits, drops the items that have not been started and does not wait for the others, which finish
    on their own.

    Args:
        items: The items.
        work: Called with one item, from several threads.
        concurrency: Maximum number of items in work at the same time.
        ordered: Whether results are yielded in the order of `items` instead of in the order of completion.

    Raises:
        OptionError: `concurrency` is not above zero.
    """
    require_concurrency(concurrency)
    return _results(iter(items), work, concurrency, ordered)


def require_concurrency(concurrency: Any) -> None:
    """Checks a number of threads.

    Raises:
        OptionError: It is not above zero.
    """
    whole = isinstance(concurrency, Integral) and not isinstance(concurrency, bool)  # NumPy's, too
    if not whole or concurrency < 1:
        raise OptionError(f"There is no concurrency {shown(repr(concurrency))}: give a whole number above zero.")


def _results(
    items: Iterator[Item], work: Callable[[Item], Value], concurrency: int, ordered: bool
) -> Generator[TaskResult[Item, Value], None, None]:
    def run_task(index: int, item: Item) -> TaskResult[Item, Value]:
        try:
            return TaskResult(index, item, work(item), None)
        except Exception as error:  # any failure of one item, even a defect of tuft, must not affect the others
            forget_locals(error)
            return TaskResult(index, item, None, error)

    # In order, finished results may have to wait for a slower one; with a larger window the workers do not wait too.
    window = 2 * concurrency if ordered else concurrency
    begun: deque[Future[TaskResult[Item, Value]]] = deque()
    numbered = _Numbered(items)
    executor = ThreadPoolExecutor(concurrency, thread_name_prefix="tuft")
    try:
        begun.extend(executor.submit(run_task, *pair) for pair in numbered.next(window))
        while begun:
            result = _taken(begun, ordered).result()
            # Submit before yielding, so that the workers stay busy while the caller handles the result.
            begun.extend(executor.submit(run_task, *pair) for pair in numbered.next(1))
            yield result
            del result  # do not keep it while waiting for the next: a 12-megapixel photograph takes 120 MB
        numbered.raise_failure()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def forget_locals(error: BaseException | None) -> None:
    """Clears the frames in the traceback of `error`: they hold the photograph, and callers may keep many errors."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _taken(begun: deque[Future[Value]], ordered: bool) -> Future[Value]:
    """Removes and returns the first of `begun` if `ordered`, else one that is done."""
    if ordered:
        return begun.popleft()
    done = next(iter(wait(begun, return_when=FIRST_COMPLETED).done))
    begun.remove(done)
    return done


class _Numbered(Generic[Item]):
    """Takes numbered items from an iterator; an exception of the iterator ends it and is kept for `raise_failure`."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._pairs = enumerate(items)
        self._failure: Exception | None = None

    def next(self, count: int) -> list[tuple[int, Item]]:
        """Up to `count` more items."""
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
        """Re-raises the exception of the iterator, if there was one."""
        if self._failure is not None:
            raise self._failure
