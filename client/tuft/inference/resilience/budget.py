"""A limit on retries that grows with the requests: a server in trouble gets at most a little more than its load."""

from __future__ import annotations

import threading
from typing import Final

BURST: Final = 10.0  # retries that cost nothing: a single blip, or a client that has just begun


class RetryBudget:
    """A bucket of tokens: each request puts a part of one in, each retry takes a whole one out.

    Args:
        percent: Retries that a hundred requests pay for, 0..100; 0 allows none at all.
        burst: The bucket's size; it begins full.
    """

    def __init__(self, percent: float, *, burst: float = BURST) -> None:
        self._deposit = percent / 100
        self._burst = burst if percent else 0.0
        self._tokens = self._burst
        self._lock = threading.Lock()

    def earn(self) -> None:
        """A request was made."""
        with self._lock:
            self._tokens = min(self._tokens + self._deposit, self._burst)

    def spend(self) -> bool:
        """Whether there is a token for one retry, which is taken out."""
        with self._lock:
            # Ten tenths are less than one in floating point.
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens -= 1
            return True
