"""Rate limits: megapixels a minute and reports a day, in memory or in Redis."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from limits import RateLimitItemPerDay, RateLimitItemPerMinute
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from tuft.errors import OptionError, SetupError

if TYPE_CHECKING:
    from limits import RateLimitItem

MEGAPIXELS_PER_MINUTE: Final = 500  # remove.bg's limit
_INSTALL: Final = "pip install 'tuft-matting[gateway-shared]'"


@dataclass(frozen=True)
class RateLimit:
    """The state of one caller's limit after a request.

    Attributes:
        allowed: Whether the request is within the limit.
        limit: Units in each window.
        remaining: Units that are left in this window.
        reset_s: When the next window begins, Unix time.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers of remove.bg's protocol; `Retry-After` only with a refusal."""
        told = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }
        wait_s = max(self.reset_s - int(time.time()), 1)
        return told if self.allowed else {**told, "Retry-After": str(wait_s)}


class RateLimiter:
    """Counts in fixed windows, so that `X-RateLimit-Reset` is exact.

    Args:
        storage: `memory://` for one gateway, `redis://host:port` for several.
        megapixels_per_minute: Of each key.
        reports_per_day: Of each key.

    Raises:
        OptionError: The storage is not known.
        SetupError: Its driver is not installed, or it does not answer.
    """

    def __init__(
        self,
        storage: str = "memory://",
        *,
        megapixels_per_minute: int = MEGAPIXELS_PER_MINUTE,
        reports_per_day: int = 100,
    ) -> None:
        try:
            store = storage_from_string(storage, wrap_exceptions=True)
            answers = store.check()
        except ConfigurationError as exc:
            if "prerequisite" in str(exc):
                raise SetupError(f"The driver of {_scheme(storage)} is missing: {_INSTALL}.") from exc
            raise OptionError(f"There are no limits in {_scheme(storage)}: give memory:// or redis://...") from exc
        if not answers:
            raise SetupError(f"{_scheme(storage)}, which is to hold the rate limits, does not answer: start it.")
        self._windows = FixedWindowRateLimiter(store)
        self._photographs = RateLimitItemPerMinute(megapixels_per_minute, namespace="tuft-megapixels")
        self._reports = RateLimitItemPerDay(reports_per_day, namespace="tuft-reports")

    def photograph(self, key_id: str, megapixels: int) -> RateLimit:
        """Counts a photograph. One that is larger than a whole window counts as one window.

        Raises:
            StorageError: The storage does not answer.
        """
        return self._count(self._photographs, key_id, max(1, min(megapixels, self._photographs.amount)))

    def report(self, key_id: str) -> RateLimit:
        """Counts a report of a bad result.

        Raises:
            StorageError: The storage does not answer.
        """
        return self._count(self._reports, key_id, 1)

    def _count(self, item: RateLimitItem, key_id: str, cost: int) -> RateLimit:
        allowed = self._windows.test(item, key_id, cost=cost) and self._windows.hit(item, key_id, cost=cost)
        window = self._windows.get_window_stats(item, key_id)
        return RateLimit(allowed, item.amount, max(window.remaining, 0), int(window.reset_time) + 1)


def _scheme(storage: str) -> str:
    """Enough to recognise the storage, without a password."""
    return storage.partition("://")[0][:20]


__all__ = ["MEGAPIXELS_PER_MINUTE", "RateLimit", "RateLimiter", "StorageError"]
