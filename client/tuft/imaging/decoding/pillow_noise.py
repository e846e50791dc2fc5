"""Silences Pillow and its libraries: what they report is raised as an error as well, and belongs in no server's log."""

from __future__ import annotations

import ctypes
import logging
import threading
import warnings
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def quieten() -> None:
    """Stops Pillow's loggers and libtiff from writing to stderr, for the rest of the process.

    Pillow silences libtiff's warnings itself, but not its errors. Log handlers that the program installs still work.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # without any handler, logging writes to stderr
    with suppress(OSError, AttributeError):  # Pillow was built without libtiff
        # Pillow's own copy of libtiff is found through the extension module that is linked with it.
        ctypes.CDLL(import_module("PIL._imaging").__file__).TIFFSetErrorHandler(None)


class _WarningFilter:
    """Counts the contexts that need the filter: the first one installs it, the last one restores the previous filters.

    `warnings.catch_warnings` is not safe in several threads: overlapping uses restore each other's filters out of order
    and leave one installed for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._previous = warnings.catch_warnings()

    def acquire(self) -> None:
        with self._lock:
            if self._users == 0:
                self._previous = warnings.catch_warnings()
                self._previous.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._users += 1

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._previous.__exit__(None, None, None)


_FILTER = _WarningFilter()


@contextmanager
def silenced() -> Iterator[None]:
    """Suppresses warnings from Pillow's own code in all threads; other warnings are not affected."""
    _FILTER.acquire()
    try:
        yield
    finally:
        _FILTER.release()
