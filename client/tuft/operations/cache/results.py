"""Results on disk, for a client: found, counted, and never in the way."""

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
from tuft.operations.cache.packing import Result, pack, unpack
from tuft.operations.cache.store import NAME, Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft.operations.cache.key import Key

DEFAULT_LIMIT_MB: Final = 1024  # hundreds of results of 12 megapixels

_LOGGER: Final = logging.getLogger(__name__)


class ResultCache:
    """Keeps results in a folder; several threads, clients and processes may share it.

    A cache that cannot be read or written is as good as empty: every request is a miss, and one warning is logged.
    A result that was damaged on the disk is a miss too.

    Args:
        folder: Where; made for this user alone if it is not there.
        limit_mb: Megabytes (10⁶ bytes) that all results may take, above zero; what was not used for longest makes room.

    Attributes:
        hits: How many requests were answered by it.
        misses: How many were not.

    Raises:
        OptionError: `limit_mb` is out of its range.
    """

    def __init__(self, folder: str | os.PathLike[str], *, limit_mb: float = DEFAULT_LIMIT_MB) -> None:
        if not limit_mb > 0:
            raise OptionError(f"A cache of {limit_mb} MB holds nothing: give a number above zero, or no cache.")
        self.hits = 0
        self.misses = 0
        self._file = Path(folder) / NAME
        self._lock = threading.Lock()
        self._has_complained = False
        self._store: Store | None = None
        try:
            self._store = Store(Path(folder), int(limit_mb * 1e6))
        except (OSError, sqlite3.Error) as error:
            self._complain(error)

    def find(self, key: Key, version: str | None, photo: NDArray[np.uint8]) -> Result | None:
        """The result for `key`, if `version` of the model has given it before; counted as a hit or a miss.

        Args:
            key: What is asked.
            version: Which version of the model would answer; None if that is not known, which is a miss.
            photo: (H, W, 3) uint8, the photograph that is asked about.
        """
        result = None if version is None else self._read(key.at(version), photo)
        with self._lock:
            self.hits += result is not None
            self.misses += result is None
        return result

    def keep(self, key: Key, version: str, photo: NDArray[np.uint8], result: Result) -> None:
        """Keeps what `version` of the model has led to; the arguments are those of `find`."""
        if self._store is not None:
            try:
                self._store.put(key.at(version), pack(result, photo))
            except sqlite3.Error as error:
                self._complain(error)

    def clear(self) -> None:
        """Forgets every result."""
        if self._store is not None:
            try:
                self._store.clear()
            except sqlite3.Error as error:
                self._complain(error)

    def close(self) -> None:
        """Closes the file; may be called twice. Afterwards every request is a miss."""
        if self._store is not None:
            self._store.close()

    def _read(self, name: str, photo: NDArray[np.uint8]) -> Result | None:
        if self._store is None:
            return None
        try:
            packed = self._store.get(name)
            return None if packed is None else unpack(packed, photo)
        except (sqlite3.Error, ValueError, TypeError, struct.error, zlib.error) as error:
            self._complain(error)
            return None

    def _complain(self, error: Exception) -> None:
        with self._lock:
            known, self._has_complained = self._has_complained, True
        if not known:
            _LOGGER.warning("The cache %s is of no use (%s): check its folder, or delete it.", self._file, error)
