"""The load of a soak test: rounds of requests of every kind, and a tally of their outcomes."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from _soak.request_files import WAYS, given
from tuft import CancelToken, Client, Observer
from tuft.errors import TuftError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuft import RequestEvent
    from tuft.imaging import ImageSource

THREADS: Final = 4
# Numbers of requests in one round.
SINGLE: Final = 24
MAPPED: Final = 12
RUSH: Final = 8

# Weights, because a large working size takes ten times as long as a small one. `preview` stands for the size 384.
PRESETS: Final = {"standard": 5, "high": 1, "maximum": 1, "stable": 3, "auto": 1, "preview": 9}
REFINEMENTS: Final = (None, None, "none", "edges", "edges+colours")
SHORT_S: Final = 0.03  # timeout of a request that should expire


class Tally(Observer):
    """Counts requests by outcome."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self._lock = threading.Lock()

    def request_finished(self, event: RequestEvent) -> None:
        """Counts the outcome, fallbacks and cache hits."""
        with self._lock:
            self.outcomes[event.outcome] += 1
            self.outcomes["stepped down"] += event.fallback_cause is not None
            self.outcomes["from the cache"] += event.cache == "hit"

    @property
    def requests(self) -> int:
        """Number of finished requests."""
        return self.outcomes.total() - self.outcomes["stepped down"] - self.outcomes["from the cache"]


class Round:
    """A round of requests of every kind, chosen at random at each call.

    Args:
        cached: A client with a cache.
        plain: A client without a cache.
        files: Files to send.
        cancel_in_flight: Whether requests are cancelled, and expire, while the server computes them; otherwise some
            are cancelled before they are sent.
        seed: Seed of the choice.
    """

    def __init__(
        self, cached: Client, plain: Client, files: Sequence[Path], *, cancel_in_flight: bool, seed: int = 0
    ) -> None:
        self._clients = (cached, plain)
        self._cancel_in_flight = cancel_in_flight
        self._files = files
        self._random = random.Random(seed)

    def __call__(self, pool: ThreadPoolExecutor) -> None:
        """Sends the requests, and waits until the last has ended."""
        list(pool.map(lambda job: job(), [self._single() for _ in range(SINGLE)]))
        self._map()
        if self._cancel_in_flight:
            self._abandoned_map()
        self._rush()
        self._short_lived_client()

    def _single(self) -> Callable[[], None]:
        """One request; one in twelve is cancelled and one in twelve has a very short timeout."""
        client, source, options = self._random.choice(self._clients), self._source(), self._options()
        fate, delay_s = self._random.randrange(12), self._random.uniform(0, 0.1)
        if fate == 0:
            return lambda: _cancelled(client, source, delay_s if self._cancel_in_flight else 0.0, options)
        short = fate == 1 and self._cancel_in_flight
        return lambda: _ask(client, source, timeout_s=SHORT_S if short else None, **options)

    def _map(self) -> None:
        sources = [self._source() for _ in range(MAPPED)]
        results = self._random.choice(self._clients).map(
            sources, concurrency=THREADS, ordered=self._random.random() < 0.5, **self._options()
        )
        for result in results:
            if result.error is not None and not isinstance(result.error, TuftError):
                raise result.error

    def _abandoned_map(self) -> None:
        sources = (self._source() for _ in repeat(None))
        with closing(self._random.choice(self._clients).map(sources, **self._options())) as results:
            next(results)

    def _rush(self) -> None:
        """More simultaneous requests than the queue has room for."""
        plain, source = self._clients[1], self._files[0]
        with ThreadPoolExecutor(RUSH) as crowd:
            list(crowd.map(lambda _: _ask(plain, source, preset="maximum", refine="none"), range(RUSH)))

    def _short_lived_client(self) -> None:
        """A client made for a single request."""
        with Client(settings=self._clients[1].settings) as client:
            _ask(client, self._files[0], size=384)

    def _source(self) -> ImageSource:
        return given(self._random.choice(self._files), self._random.choice(WAYS))

    def _options(self) -> dict[str, Any]:
        (preset,) = self._random.choices(list(PRESETS), list(PRESETS.values()))
        way: dict[str, Any] = {"size": 384} if preset == "preview" else {"preset": preset}
        return {**way, "refine": self._random.choice(REFINEMENTS)}


def _ask(client: Client, source: ImageSource, **options: Any) -> None:
    """One request, which may fail with an error of tuft's only."""
    with suppress(TuftError):
        client.remove(source, **options)


def _cancelled(client: Client, source: ImageSource, delay_s: float, options: dict[str, Any]) -> None:
    cancel = CancelToken()
    if delay_s == 0:
        cancel.cancel()
    timer = threading.Timer(delay_s, cancel.cancel)
    timer.start()
    _ask(client, source, cancel=cancel, **options)
    timer.cancel()
    timer.join()
