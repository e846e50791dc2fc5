"""Bytes by key in one SQLite file with a limit of its size, where what was not used for longest makes room.

SQLite makes it safe for several processes and against being killed. Nothing but bytes is stored, so that nothing that
somebody else has put there can be more than a wrong picture.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "results.sqlite3"

# How long to wait for another process: a cache that has to be waited for has lost its point.
_BUSY_TIMEOUT_S: Final = 1.0

# `used` counts uses, not seconds: clocks differ and are set back. What another program has left under the name of the
# table fails at the first use.
_SCHEMA: Final = (
    "PRAGMA auto_vacuum = FULL",  # what is removed gives its space back
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
# From the latest used on, what fits together into the limit stays.
_MAKE_ROOM: Final = """
    DELETE FROM results WHERE used <= (
        SELECT MAX(used) FROM (SELECT used, SUM(size_bytes) OVER (ORDER BY used DESC) AS kept_bytes FROM results)
        WHERE kept_bytes > ?
    )"""


class Store:
    """One file, shared by threads and processes.

    Args:
        folder: Where the file is; made for this user alone if it is not there.
        limit_bytes: What all values together may take.

    Raises:
        OSError: The folder cannot be made.
        sqlite3.Error: The file is no such store, or cannot be opened. The methods raise it too.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            folder / NAME, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            for statement in (*_SCHEMA, _MAKE_ROOM):
                self._connection.execute(statement, (limit_bytes,) if statement is _MAKE_ROOM else ())
        except sqlite3.Error:
            self._connection.close()
            raise

    def get(self, key: str) -> bytes | None:
        """The value of `key`, which counts as used now; None if there is none."""
        with self._lock:
            row = self._connection.execute(_GET, (key,)).fetchone()
            if row is None:
                return None
            with suppress(sqlite3.OperationalError):  # somebody else writes: the value is good all the same
                self._connection.execute(_TOUCH, (key,))
        return bytes(row[0])

    def put(self, key: str, value: bytes) -> None:
        """Keeps `value` for `key`, unless it alone is above the limit."""
        if len(value) > self._limit_bytes:
            return
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(_PUT, (key, len(value), value))
            self._connection.execute(_MAKE_ROOM, (self._limit_bytes,))

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._connection.execute("DELETE FROM results")

    def close(self) -> None:
        """Closes the file; may be called twice."""
        with self._lock:
            self._connection.close()
