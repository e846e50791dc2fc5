"""Cancelling requests in flight."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tuft.errors import OptionError, RequestCancelledError
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class CancelToken:
    """Cancels the requests that it was given to: each ends at once in a `RequestCancelledError`.

    The server drops them from its queue; an inference that it has started runs to its end, and the result is discarded.
    A token may be given to several requests and be used from any thread. `tuft.AsyncClient` has its own for each task.
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
        """Cancels them; later calls do nothing."""
        with self._lock:
            self._cancelled.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def wait(self, timeout_s: float) -> None:
        """Sleeps for `timeout_s` seconds.

        Raises:
            RequestCancelledError: `cancel` was called, before or in the meantime.
        """
        if self._cancelled.wait(timeout_s):
            raise self.error()

    def raise_if_cancelled(self) -> None:
        """Raises once `cancel` was called.

        Raises:
            RequestCancelledError: `cancel` was called.
        """
        if self.cancelled:
            raise self.error()

    @contextmanager
    def on_cancel(self, callback: Callable[[], object]) -> Iterator[None]:
        """Calls `callback`, in the thread of `cancel`, if `cancel` is called in the `with` block or was before it."""
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
        """The error that a cancelled request ends in."""
        return RequestCancelledError("The request was cancelled before its answer came: send it again if it is wanted.")


def require_token(cancel: object) -> None:
    """Checks the argument `cancel` of a request.

    Raises:
        OptionError: It is no `CancelToken`.
    """
    if not isinstance(cancel, CancelToken):
        raise OptionError(f"cancel is {shown(repr(cancel))}: give a tuft.CancelToken.")


@contextmanager
def linked_token(*tokens: CancelToken | None) -> Iterator[CancelToken]:
    """A token that is cancelled when one of `tokens` is, inside the `with` block.

    Raises:
        OptionError: One is no token.
    """
    joint = CancelToken()
    with ExitStack() as stack:
        for token in tokens:
            if token is not None:
                require_token(token)
                stack.enter_context(token.on_cancel(joint.cancel))
        yield joint
