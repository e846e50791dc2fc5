"""Silence for Pillow's warnings about strange files, safe in several threads at once."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Silence:
    """Counts who wants silence: the first in sets the filter, the last out puts back what was there.

    Overlapping `warnings.catch_warnings` of several threads would restore each other's filters out of order and
    leave one behind for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted_by = 0
        self._before = warnings.catch_warnings()

    def begin(self) -> None:
        with self._lock:
            if self._wanted_by == 0:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._wanted_by += 1

    def end(self) -> None:
        with self._lock:
            self._wanted_by -= 1
            if self._wanted_by == 0:
                self._before.__exit__(None, None, None)


_SILENCE = _Silence()


@contextmanager
def silenced() -> Iterator[None]:
    """No warning from Pillow's own code inside this context, in any thread; others stay as they are."""
    _SILENCE.begin()
    try:
        yield
    finally:
        _SILENCE.end()
