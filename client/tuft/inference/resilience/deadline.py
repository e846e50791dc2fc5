"""Deadlines that several attempts share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """A point in time.

    Args:
        timeout_s: Seconds from now.
        clock: Monotonic seconds.
    """

    def __init__(self, timeout_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_s = clock() + timeout_s

    @property
    def remaining_s(self) -> float:
        """Seconds left; 0 once it has passed."""
        return max(self._ends_s - self._clock(), 0.0)

    @property
    def passed(self) -> bool:
        """Whether it has passed."""
        return self.remaining_s == 0.0

    def share(self, part: float) -> Deadline:
        """An earlier deadline: after the fraction `part` (0..1) of the time that is left."""
        return Deadline(self.remaining_s * part, clock=self._clock)
