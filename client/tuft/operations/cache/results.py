"""The result cache: reads and writes entries, counts hits and misses, and never fails a request."""

from __future__ import annotations

import logging
import os
import sqlite3
import struct
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.errors import OptionError
from tuft.operations.cache.packing import pack, unpack
from tuft.operations.cache.store import NAME, Store, is_damage, remove

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft.imaging.matte import Matte
    from tuft.operations.cache.key import Key

DEFAULT_LIMIT_MB: Final = 1024  # hundreds of results of 12 megapixels

_LOGGER: Final = logging.getLogger("tuft.cache.results")
_OF_NO_USE: Final = "The cache %s is of no use (%s): check its folder, or delete it."
_MADE_ANEW: Final = "The cache %s was damaged (%s): it is made anew, empty; check its disk if that happens again."


class ResultCache:
    """Keeps results in a folder, which several threads, clients and processes may share.

    If the cache cannot be read or written, every request is a miss and one warning is logged. A damaged file is made
    anew, empty, with one warning; a damaged entry is a miss.

    Args:
        folder: The folder; created with access for this user only if it does not exist.
        limit_mb: Maximum size of all results in megabytes (10⁶ bytes), above zero; the least recently used are evicted.

    Attributes:
        hits: Number of lookups that found a result.
        misses: Number of lookups that did not.

    Raises:
        OptionError: `limit_mb` is out of its range.
    """

    def __init__(self, folder: str | os.PathLike[str], *, limit_mb: float = DEFAULT_LIMIT_MB) -> None:
        if not limit_mb > 0:
            raise OptionError(f"A cache of {limit_mb} MB holds nothing: give a number above zero, or no cache.")
        self.hits = 0
        self.misses = 0
        self._folder = Path(folder)
        self._limit_bytes = int(limit_mb * 1e6)
        self._lock = threading.Lock()
        self._warned: set[str] = set()
        self._repairing = threading.Lock()
        self._store = self._opened()

    def get(self, key: Key, version: str | None, photo: NDArray[np.uint8]) -> Matte | None:
        """The stored result of a request, or None; counted as a hit or a miss.

        Args:
            key: The request.
            version: The version of the model that would answer; None if it is unknown, which is a miss.
            photo: (H, W, 3) uint8, the photograph of the request.
        """
        result = None if version is None else self._read(key.at(version), photo)
        with self._lock:
            self.hits += result is not None
            self.misses += result is None
        return result

    def put(self, key: Key, version: str, photo: NDArray[np.uint8], result: Matte) -> None:
        """Stores the result that `version` of the model has led to; the other arguments are those of `get`."""
        store = self._store
        if store is not None:
            try:
                store.put(key.at(version), pack(result, photo))
            except sqlite3.Error as error:
                self._failed(store, error)

    def clear(self) -> None:
        """Removes all results."""
        store = self._store
        if store is not None:
            try:
                store.clear()
            except sqlite3.Error as error:
                self._failed(store, error)

    def close(self) -> None:
        """Closes the file; may be called twice. Afterwards every request is a miss."""
        if self._store is not None:
            self._store.close()

    def _read(self, name: str, photo: NDArray[np.uint8]) -> Matte | None:
        store = self._store
        if store is None:
            return None
        try:
            packed = store.get(name)
            return None if packed is None else unpack(packed, photo)
        except (sqlite3.Error, ValueError, TypeError, struct.error, zlib.error) as error:
            self._failed(store, error)
            return None

    def _opened(self) -> Store | None:
        """The store, made anew if its file is damaged; None if the folder is of no use."""
        try:
            try:
                return Store(self._folder, self._limit_bytes)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._warn_once(_MADE_ANEW, error)
                remove(self._folder)
                return Store(self._folder, self._limit_bytes)
        except (OSError, sqlite3.Error) as error:
            self._warn_once(_OF_NO_USE, error)
            return None

    def _failed(self, store: Store, error: Exception) -> None:
        """Opens the store anew if its file was found damaged while it was used; else warns."""
        if not is_damage(error):
            self._warn_once(_OF_NO_USE, error)
            return
        with self._repairing:
            if store is self._store:  # else another thread has done it
                store.close()
                self._store = self._opened()

    def _warn_once(self, sentence: str, error: Exception) -> None:
        with self._lock:
            is_known = sentence in self._warned
            self._warned.add(sentence)
        if not is_known:
            reason = getattr(error, "strerror", None) or error
            _LOGGER.warning(sentence, self._folder / NAME, reason)
