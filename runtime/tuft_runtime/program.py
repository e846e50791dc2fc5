"""The seam between graphs and engines: a program is a compiled graph that runs, and can be interrupted."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tuft_runtime.errors import InterruptedInferenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray


class Interrupt:
    """Ends one computation from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._stop: Callable[[], object] | None = None

    def set(self) -> None:
        """Ends the computation between two operators; one that starts later ends at once."""
        # The lock is held during the call, so that it cannot reach the next computation of the same program.
        with self._lock:
            self._is_set = True
            if self._stop is not None:
                self._stop()

    @contextmanager
    def ending(self, stop: Callable[[], object]) -> Iterator[None]:
        """Calls `stop` if `set` is called in the `with` block.

        Raises:
            InterruptedInferenceError: `set` was called, before the block or in it.
        """
        with self._lock:
            self._raise_if_set()
            self._stop = stop
        try:
            yield
        except Exception:
            self._raise_if_set()
            raise
        finally:
            with self._lock:
                self._stop = None
        self._raise_if_set()

    def _raise_if_set(self) -> None:
        if self._is_set:
            raise InterruptedInferenceError("The computation was interrupted.")


class Program(ABC):
    """A compiled graph; not thread-safe."""

    @abstractmethod
    def run(self, inputs: Sequence[NDArray[Any]], interrupt: Interrupt) -> list[NDArray[Any]]:
        """The outputs for `inputs`, both in the order in which the graph has them.

        Raises:
            InterruptedInferenceError: `interrupt` was set.
            MemoryError, RuntimeError: The computation failed.
        """
