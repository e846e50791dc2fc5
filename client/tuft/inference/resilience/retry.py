"""How long to wait before asking again.

Exponential back-off with full jitter: clients that were cut off at the same moment do not all come back at the
same moment (Brooker, "Exponential Backoff And Jitter", 2015).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after what waits.

    Attributes:
        retries: How often at most; 0 never.
        base_s: The longest wait before the first one, in seconds. gRPC itself tries a lost server again after 0.2 s.
        cap_s: The longest wait of all.
        random: Gives numbers in 0..1, evenly.
    """

    retries: int
    base_s: float = 0.25
    cap_s: float = 2.0
    random: Callable[[], float] = random.random

    def delay_s(self, retry: int) -> float:
        """Seconds to wait before the retry of this number, counted from 0: anything up to twice the last limit."""
        return self.random() * min(self.base_s * 2.0**retry, self.cap_s)
