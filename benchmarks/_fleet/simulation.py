"""A fleet as discrete events: arrivals, queues, batches, cold starts, and an autoscaler that looks at waiting times."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import simpy

Service = Callable[[Sequence[int]], float]  # from the numbers of requests to the seconds that one batch of them takes
_LOOK_S: Final = 15.0  # KEDA's polling interval
_RATE_S: Final = 60.0  # of the query


@dataclass(frozen=True)
class Scaler:
    """What deploy/kubernetes/kserve asks of KEDA.

    Attributes:
        least: Instances at all times.
        most: Instances at most.
        target_s: Mean seconds of waiting for a request at which the number is right.
        start_s: Seconds until a new instance serves.
        up: Instances that may be added at once, every `up_every_s`.
        up_every_s: See `up`.
        down_after_s: Seconds for which fewer must have been enough.
        down_every_s: Seconds between two that are taken away.
    """

    least: int
    most: int
    target_s: float = 0.5
    start_s: float = 180.0
    up: int = 2
    up_every_s: float = 120.0
    down_after_s: float = 600.0
    down_every_s: float = 300.0


@dataclass(frozen=True)
class Fleet:
    """Instances of Triton with one GPU each, whose queue the gateway bounds: Triton starts a batch when it is idle.

    With a bound of Triton's own, requests wait for its next look, up to half a second (model_repository/README.md).

    Attributes:
        scaler: How many there are.
        most_in_batch: `max_batch_size`.
        most_waiting: that the gateway lets wait; further requests are refused.
    """

    scaler: Scaler
    most_in_batch: int = 1
    most_waiting: int = 128


@dataclass
class Outcome:
    """What became of the requests.

    Attributes:
        latencies_s: Of those that were answered, from arrival to answer, in the order of the answers.
        refused: How many found a full queue.
        instance_s: Seconds of all instances together, those that start included.
        most_instances: Largest number at once.
        busy_s: Seconds in which an instance computed.
    """

    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0
    instance_s: float = 0.0
    most_instances: int = 0
    busy_s: float = 0.0

    def percentile_s(self, percent: float) -> float:
        """Of the latencies; infinite if none was answered."""
        return float(np.percentile(self.latencies_s, percent)) if self.latencies_s else math.inf


def simulate(arrivals_s: Sequence[float], fleet: Fleet, service: Service) -> Outcome:
    """Runs a fleet until the last request is answered.

    Args:
        arrivals_s: When requests arrive, ascending, from 0.
        fleet: The fleet.
        service: Draws how long one batch takes.
    """
    environment = simpy.Environment()
    run = _Run(environment, fleet, service)
    arriving = environment.process(run.arrivals(arrivals_s))
    if fleet.scaler.most > fleet.scaler.least:
        environment.process(run.scaling())
    environment.run(until=arriving)
    while run.waiting or run.in_work:
        environment.step()
    return run.finished()


class _Run:
    def __init__(self, environment: simpy.Environment, fleet: Fleet, service: Service) -> None:
        self._environment, self._fleet, self._service = environment, fleet, service
        self._instances: list[_Instance] = []
        self._starting = 0
        self._next = 0
        self._waits: deque[tuple[float, float]] = deque()
        self.in_work = 0
        self.outcome = Outcome()
        for _ in range(fleet.scaler.least):
            self._begin(0.0)

    @property
    def waiting(self) -> int:
        return sum(len(instance.queue) for instance in self._instances)

    def arrivals(self, arrivals_s: Sequence[float]) -> Generator[simpy.Event, Any, None]:
        for number, at_s in enumerate(arrivals_s):
            yield self._environment.timeout(max(0.0, at_s - self._environment.now))
            serving = [instance for instance in self._instances if not instance.leaves]
            self._next = (self._next + 1) % len(serving)  # gRPC's round robin
            instance = serving[self._next]
            if len(instance.queue) >= self._fleet.most_waiting:
                self.outcome.refused += 1
            else:
                instance.take(number, self._environment.now)

    def computing(self, instance: _Instance) -> Generator[simpy.Event, Any, None]:
        while not (instance.leaves and not instance.queue):
            if not instance.queue:
                instance.woken = self._environment.event()
                yield instance.woken
                continue
            batch = [instance.queue.popleft() for _ in range(min(len(instance.queue), self._fleet.most_in_batch))]
            now_s = self._environment.now
            self._waits.extend((now_s, now_s - arrived_s) for _, arrived_s in batch)
            took_s = self._service([number for number, _ in batch])
            self.in_work += len(batch)
            yield self._environment.timeout(took_s)
            self.in_work -= len(batch)
            self.outcome.busy_s += took_s
            self.outcome.latencies_s.extend(self._environment.now - arrived_s for _, arrived_s in batch)
        self._end(instance)

    def scaling(self) -> Generator[simpy.Event, Any, None]:
        scaler, enough = self._fleet.scaler, deque[tuple[float, int]]()
        raised_s = lowered_s = -math.inf
        while True:
            yield self._environment.timeout(_LOOK_S)
            now_s = self._environment.now
            present = sum(not instance.leaves for instance in self._instances) + self._starting
            while self._waits and self._waits[0][0] < now_s - _RATE_S:
                self._waits.popleft()
            wait_s = float(np.mean([wait for _, wait in self._waits])) if self._waits else 0.0
            wanted = min(scaler.most, max(scaler.least, math.ceil(present * wait_s / scaler.target_s)))
            enough.append((now_s, wanted))
            while enough[0][0] < now_s - scaler.down_after_s:
                enough.popleft()
            if wanted > present and now_s - raised_s >= scaler.up_every_s:
                raised_s = now_s
                for _ in range(min(wanted - present, scaler.up)):
                    self._environment.process(self._started())
            elif max(number for _, number in enough) < present and now_s - lowered_s >= scaler.down_every_s:
                lowered_s = now_s
                self._instances[-1].leave()

    def _started(self) -> Generator[simpy.Event, Any, None]:
        self._starting += 1
        self.outcome.instance_s += self._fleet.scaler.start_s
        yield self._environment.timeout(self._fleet.scaler.start_s)
        self._starting -= 1
        self._begin(self._environment.now)

    def _begin(self, now_s: float) -> None:
        instance = _Instance(now_s)
        self._instances.append(instance)
        self.outcome.most_instances = max(self.outcome.most_instances, len(self._instances))
        self._environment.process(self.computing(instance))

    def _end(self, instance: _Instance) -> None:
        self._instances.remove(instance)
        self.outcome.instance_s += self._environment.now - instance.began_s

    def finished(self) -> Outcome:
        for instance in self._instances:
            self.outcome.instance_s += self._environment.now - instance.began_s
        return self.outcome


class _Instance:
    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.queue: deque[tuple[int, float]] = deque()
        self.woken: simpy.Event | None = None
        self.leaves = False

    def take(self, number: int, now_s: float) -> None:
        self.queue.append((number, now_s))
        self._wake()

    def leave(self) -> None:
        self.leaves = True
        self._wake()

    def _wake(self) -> None:
        if self.woken is not None and not self.woken.triggered:
            self.woken.succeed()
