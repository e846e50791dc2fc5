"""Builds what settings ask for around a transport: the layers of a request, and its observers.

The only place that knows both the client's core and the operations around it. `tuft.inference.runner` lists the layers.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tuft.inference.endpoints import EndpointPool, RoutedRunner
from tuft.inference.fallback import FallbackRunner
from tuft.inference.observers import Observers
from tuft.inference.prompted import PromptedRunner
from tuft.inference.retrying import RetryingTransport
from tuft.inference.saliency import SaliencyRunner
from tuft.inference.segmenter import Segmenter
from tuft.inference.sized import SizedRunner
from tuft.inference.transport.access import Access
from tuft.inference.transport.connect import connect
from tuft.operations.cache import CachedRunner, ResultCache, ServedVersions
from tuft.operations.experiments import Experiment, Recorder
from tuft.operations.rollout import RolledOutRunner, Rollout
from tuft.operations.telemetry import observers_from_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuft.inference.observers import Observer
    from tuft.inference.resilience import CircuitState
    from tuft.inference.runner import Runner
    from tuft.inference.transport.base import Transport
    from tuft.settings import Settings

__all__ = ["Experiment", "Recorder", "ResultCache", "Rollout", "Wired", "Wiring"]


@dataclass(frozen=True, eq=False)
class Wired:
    """What a client's requests go through.

    Attributes:
        runner: The outermost layer.
        observers: All observers, those of settings included.
        cache: The result cache; None if there is none.
        versions: What the cache knows of the server's versions; None without a cache.
    """

    runner: Runner
    observers: Observers
    cache: ResultCache | None
    versions: ServedVersions | None


class Wiring:
    """Builds the layers of a request when they are first needed, so that making one has no side effects.

    Args:
        settings: What to build.
        transport: The way to the client's own server.
        observers: Observers beside those of settings.
        experiment: A `Recorder` observes as well.
        rollout: Instead of the one that settings name.
        cache: Instead of the one that settings name.
    """

    def __init__(
        self,
        settings: Settings,
        transport: Transport,
        *,
        observers: Iterable[Observer] = (),
        experiment: Experiment | Recorder | None = None,
        rollout: Rollout | None = None,
        cache: ResultCache | None = None,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._given_observers = tuple(observers)
        self._experiment = experiment
        self._rollout = rollout
        self._cache = cache
        self._retrying = RetryingTransport(transport, settings)
        connected = partial(connect, access=Access.of(settings))
        self._endpoints = EndpointPool(connected, partial(_direct_runner, settings=settings))
        self._variants = EndpointPool(connected, partial(_variant_runner, settings=settings))
        self._wired: Wired | None = None
        self._lock = threading.Lock()

    @property
    def circuits(self) -> dict[str, CircuitState]:
        """From each model that was asked so far to the state of its circuit breaker."""
        return self._retrying.breakers.states

    def open(self) -> Wired:
        """Opens what settings ask for (cache folder, metrics port, log), once; later calls return the same.

        Raises:
            OptionError: A setting cannot be used.
            SetupError: A library is not installed.
        """
        with self._lock:
            if self._wired is None:
                self._wired = self._built()
            return self._wired

    def close(self) -> None:
        """Closes the connections to other servers."""
        self._endpoints.close()
        self._variants.close()

    def _built(self) -> Wired:
        cache, rollout = self._open_cache(), self._open_rollout()
        runner: Runner = _core(self._retrying, self._settings)
        versions = None
        if cache is not None:
            versions = ServedVersions(self._transport)
            runner = CachedRunner(runner, cache, versions, self._settings.url)
        if rollout is not None:
            runner = RolledOutRunner(RoutedRunner(runner, self._variants), rollout)
        runner = _outer(runner, self._retrying)
        return Wired(RoutedRunner(runner, self._endpoints), Observers(self._all_observers()), cache, versions)

    def _open_cache(self) -> ResultCache | None:
        if self._cache is None and self._settings.cache_dir:
            return ResultCache(self._settings.cache_dir, limit_mb=self._settings.cache_mb)
        return self._cache

    def _open_rollout(self) -> Rollout | None:
        if self._rollout is None and self._settings.rollout_dir:
            return Rollout(self._settings.rollout_dir)
        return self._rollout

    def _all_observers(self) -> Iterable[Observer]:
        yield from self._given_observers
        if isinstance(self._experiment, Recorder):
            yield self._experiment
        yield from observers_from_settings(
            self, metrics_port=self._settings.metrics_port, log=self._settings.log, tracing=self._settings.tracing
        )


def _core(transport: RetryingTransport, settings: Settings) -> Runner:
    return FallbackRunner(SaliencyRunner(transport), settings)


def _outer(runner: Runner, transport: RetryingTransport) -> Runner:
    return PromptedRunner(SizedRunner(runner, transport), Segmenter(transport))


def _direct_runner(transport: Transport, settings: Settings) -> Runner:
    """For another server: without cache and rollout, which belong to the client's own."""
    retrying = RetryingTransport(transport, settings)
    return _outer(_core(retrying, settings), retrying)


def _variant_runner(transport: Transport, settings: Settings) -> Runner:
    """For the server of one version, in a rollout on Kubernetes."""
    return _core(RetryingTransport(transport, settings), settings)
