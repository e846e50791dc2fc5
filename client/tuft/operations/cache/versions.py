"""Tracks which version of each model is served, without asking the server at every request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tuft.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuft.inference.transport.base import Transport

# Maximum time after a rollout in which results of the previous version may still be returned.
VERSION_MAX_AGE_S: Final = 10.0
# A healthy server answers at once; the request itself has a longer timeout.
_TIMEOUT_S: Final = 1.0


class ServedVersions:
    """Asks the server for the served version, and caches the answer; usable from many threads at once.

    Args:
        transport: The connection to the server.
        max_age_s: Seconds for which an answer, or its absence, is used.
        clock: A monotonic clock in seconds.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        max_age_s: float = VERSION_MAX_AGE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._transport = transport
        self._max_age_s = max_age_s
        self._known: dict[str, tuple[float, str | None]] = {}

    def of(self, model: str) -> str | None:
        """The version of `model` that was served at most `max_age_s` ago; None if the server does not tell."""
        now_s = self.clock()  # before the request: the answer may be that old
        known_s, version = self._known.get(model, (-float("inf"), None))
        if now_s - known_s < self._max_age_s:
            return version
        try:
            version = self._transport.served_version(model, timeout_s=_TIMEOUT_S)
        except ServerError:  # the request itself will report it
            version = None
        self._known[model] = (now_s, version)
        return version

    def learn(self, model: str, version: str) -> None:
        """Notes that `version` has answered a request that named no version."""
        if version != self._known.get(model, (0.0, None))[1]:
            self._known.pop(model, None)  # another version serves now: ask again
