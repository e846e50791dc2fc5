"""Taking a request back while it is on its way."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tuft.errors import RequestCancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class CancelToken:
    """Takes back the requests it was given to: they end at once in a `RequestCancelledError`, on the server as well.

    What still waits in the server's queue is dropped there; what the network computes already is finished for nobody.
    A token may be given to several requests, and works from any thread; so it does for asyncio:

        cancel = CancelToken()
        try:
            cutout = await asyncio.to_thread(client.remove, photo, cancel=cancel)
        except asyncio.CancelledError:
            cancel.cancel()
            raise
    """

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._callbacks: dict[object, Callable[[], object]] = {}
        self._lock = threading.Lock()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Takes them back; later calls do nothing."""
        with self._lock:
            self._cancelled.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def wait(self, timeout_s: float) -> None:
        """Sleeps.

        Raises:
            RequestCancelledError: `cancel` was called, before or meanwhile.
        """
        if self._cancelled.wait(timeout_s):
            raise self.error()

    def require(self) -> None:
        """Does nothing, as long as `cancel` was not called.

        Raises:
            RequestCancelledError: It was.
        """
        if self.cancelled:
            raise self.error()

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """`callback` is called, in the thread of `cancel`, if that is called in the `with` block or was before."""
        key = object()
        with self._lock:
            late = self.cancelled
            if not late:
                self._callbacks[key] = callback
        if late:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.pop(key, None)

    @staticmethod
    def error() -> RequestCancelledError:
        """What a request that was taken back ends in."""
        return RequestCancelledError("The request was taken back before its answer came: ask again if it is wanted.")


@contextmanager
def cancelled_with(*tokens: CancelToken | None) -> Iterator[CancelToken]:
    """A token that is cancelled as soon as one of `tokens` is, inside the `with` block."""
    joint = CancelToken()
    with ExitStack() as stack:
        for token in tokens:
            if token is not None:
                stack.enter_context(token.calling(joint.cancel))
        yield joint
