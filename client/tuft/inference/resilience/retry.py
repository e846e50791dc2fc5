"""When a request is sent again: after which wait, and how often in all.

Waits follow exponential back-off with full jitter, so that clients that were cut off at the same moment do not all come
back at the same moment (Brooker, "Exponential Backoff And Jitter", 2015). A budget bounds retries by the number of
requests, so that a server in trouble gets little more than its load.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BURST: Final = 10.0  # retries that need no deposit: a single blip, or a client that has just started


@dataclass(frozen=True)
class RetryPolicy:
    """How often to retry, and how long to wait before.

    Attributes:
        retries: At most so many; 0 never retries.
        base_s: The longest wait before the first retry, in seconds. gRPC itself reconnects after 0.2 s.
        cap_s: The longest wait of all, in seconds.
        random: Uniform numbers in 0..1.
    """

    retries: int
    base_s: float = 0.25
    cap_s: float = 2.0
    random: Callable[[], float] = random.random

    def delay_s(self, retry: int) -> float:
        """Seconds to wait before retry number `retry`, counted from 0; the upper bound doubles with each."""
        return self.random() * min(self.base_s * 2.0**retry, self.cap_s)


class RetryBudget:
    """A token bucket: each request deposits a fraction of a token, each retry withdraws a whole one.

    Args:
        percent: Retries allowed for a hundred requests, 0..100; 0 allows none at all.
        burst: Capacity of the bucket, which starts full.
    """

    def __init__(self, percent: float, *, burst: float = BURST) -> None:
        self._deposit = percent / 100
        self._burst = burst if percent else 0.0
        self._tokens = self._burst
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """Counts one request."""
        with self._lock:
            self._tokens = min(self._tokens + self._deposit, self._burst)

    def try_withdraw(self) -> bool:
        """Takes a token for one retry; False if there is none."""
        with self._lock:
            # Ten tenths are less than one in floating point.
            if self._tokens < 1 - 1e-9:
                return False
            self._tokens -= 1
            return True
