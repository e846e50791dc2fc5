"""A least-recently-used store of bytes in one SQLite file of limited size.

SQLite makes it safe to share between processes and to kill them. Only bytes are stored, no pickles, so a manipulated
file can lead to a wrong picture, but not run code.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "results.sqlite3"
_BESIDE: Final = ("", "-wal", "-shm")  # the file and what SQLite keeps beside it

# How long to wait for another process: a slow cache is worse than a miss.
_BUSY_TIMEOUT_S: Final = 1.0

# `used` counts accesses instead of storing a time, because clocks differ and are set back. A table of the same name
# that another program has made fails at the first access.
_SCHEMA: Final = (
    "PRAGMA auto_vacuum = FULL",  # return the space of removed entries
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "CREATE TABLE IF NOT EXISTS results"
    " (key TEXT PRIMARY KEY, used INTEGER NOT NULL, size_bytes INTEGER NOT NULL, value BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS results_by_use ON results (used, size_bytes)",
)
_NOW: Final = "(SELECT COALESCE(MAX(used), 0) + 1 FROM results)"
_PUT: Final = f"INSERT OR REPLACE INTO results (key, used, size_bytes, value) VALUES (?, {_NOW}, ?, ?)"
_GET: Final = "SELECT value FROM results WHERE key = ?"
_TOUCH: Final = f"UPDATE results SET used = {_NOW} WHERE key = ?"
# Keeps the most recently used entries that fit into the limit together.
_EVICT: Final = """
    DELETE FROM results WHERE used <= (
        SELECT MAX(used) FROM (SELECT used, SUM(size_bytes) OVER (ORDER BY used DESC) AS kept_bytes FROM results)
        WHERE kept_bytes > ?
    )"""


def is_damage(error: Exception) -> bool:
    """Whether `error` means that the file's bytes are damaged, or are no database at all.

    Every other failure (locked, read-only, no space, another table) is one of the classes that derive from this one.
    """
    return type(error) is sqlite3.DatabaseError


def remove(folder: Path) -> None:
    """Removes the file of a store; processes that have it open keep using theirs until they end.

    Raises:
        OSError: It cannot be removed.
    """
    for ending in _BESIDE:
        (folder / f"{NAME}{ending}").unlink(missing_ok=True)


class Store:
    """One file, shared by threads and processes.

    Args:
        folder: The folder of the file; created with access for this user only if it does not exist.
        limit_bytes: Maximum size of all values together.

    Raises:
        OSError: The folder cannot be created.
        sqlite3.Error: The file is not such a store, or cannot be opened. The methods raise it too.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            folder / NAME, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            for statement in (*_SCHEMA, _EVICT):
                self._connection.execute(statement, (limit_bytes,) if statement is _EVICT else ())
        except sqlite3.Error:
            self._connection.close()
            raise

    def get(self, key: str) -> bytes | None:
        """The value of `key`, marked as most recently used; None if there is none."""
        with self._lock:
            row = self._connection.execute(_GET, (key,)).fetchone()
            if row is None:
                return None
            with suppress(sqlite3.OperationalError):  # another process is writing: the value is still valid
                self._connection.execute(_TOUCH, (key,))
        return bytes(row[0])

    def put(self, key: str, value: bytes) -> None:
        """Stores `value` under `key`, unless it exceeds the limit on its own."""
        if len(value) > self._limit_bytes:
            return
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(_PUT, (key, len(value), value))
            self._connection.execute(_EVICT, (self._limit_bytes,))

    def clear(self) -> None:
        """Removes all values."""
        with self._lock:
            self._connection.execute("DELETE FROM results")

    def close(self) -> None:
        """Closes the file; may be called twice."""
        with self._lock:
            self._connection.close()
