"""Which version of each model is served, known without asking for every photograph."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from tuft.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuft.inference.transport.base import Transport

# So long at the most may a result of the version before be given after a rollout.
VERSION_MAX_AGE_S: Final = 10.0
# A server that does not say it at once is in trouble; the request itself has more patience.
_TIMEOUT_S: Final = 1.0


class ServedVersions:
    """Asks the server once in a while; usable from many threads at once.

    Args:
        transport: The way to the server.
        max_age_s: For how many seconds a version, or that it could not be had, is taken as known.
        clock: Tells seconds, never backwards.
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
        """The version of `model` that served not longer than `max_age_s` ago; None if nobody can say."""
        now_s = self.clock()  # before the question: the answer may be as old as that
        known_s, version = self._known.get(model, (-float("inf"), None))
        if now_s - known_s < self._max_age_s:
            return version
        try:
            version = self._transport.served_version(model, timeout_s=_TIMEOUT_S)
        except ServerError:  # the request itself will say what is wrong
            version = None
        self._known[model] = (now_s, version)
        return version

    def learn(self, model: str, version: str) -> None:
        """Takes down that `version` has answered a request that named none."""
        if version != self._known.get(model, (0.0, None))[1]:
            self._known.pop(model, None)  # there was a rollout: ask anew
