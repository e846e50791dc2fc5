"""Getting an answer about a photograph: once more if the way failed, of a smaller network if there is no room."""

from __future__ import annotations

import itertools
import random as random_numbers
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from tuft import contract
from tuft.errors import (
    CircuitOpenError,
    ModelUnavailableError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from tuft.imaging import preprocess
from tuft.inference.resilience import Breakers, Deadline, RetryBudget, RetryPolicy
from tuft.inference.transport.base import CallOptions
from tuft.inference.transport.triton import TritonTransport
from tuft.presets import working_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuft.imaging import Photo
    from tuft.imaging.geometry import Geometry
    from tuft.inference.request import Request
    from tuft.inference.resilience import Breaker
    from tuft.inference.transport.base import Inference, Transport
    from tuft.presets import FallbackCause, Preset
    from tuft.settings import Settings

# What a larger preset leaves to the smaller ones of the time that is left.
SHARE: Final = 0.5

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Answer:
    """What the server said, and to what."""

    preset: Preset
    geometry: Geometry
    inference: Inference


@dataclass(frozen=True, eq=False)
class Question:
    """What the server is asked.

    Attributes:
        photo: The photograph.
        presets: The preset that is asked for, and after it those that may serve instead.
        causes: For which reasons they may.
        model: The model that is asked, whatever the preset; None: the one of the preset's size.
        version: The model's version; empty leaves it to `versions`.
        versions: From models to the version that is asked for; all others leave it to the server.
    """

    photo: Photo
    presets: Sequence[Preset]
    causes: Sequence[FallbackCause]
    model: str | None = None
    version: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


class Asker:
    """Asks a transport, and remembers between requests which models fail and how much was sent again.

    Args:
        transport: The way to the server.
        settings: Retries, their budget, and the breaker.
        clock: Tells seconds, never backwards.
        random: Gives numbers in 0..1, evenly.
    """

    def __init__(
        self,
        transport: Transport,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        self.breakers = Breakers(failures=settings.breaker_failures, probe_s=settings.breaker_probe_s, clock=clock)
        self._transport = transport
        self._policy = RetryPolicy(settings.retries, random=random)
        self._budget = RetryBudget(settings.retry_budget_percent)
        self._clock = clock

    def ask(self, question: Question, request: Request, *, timeout_s: float) -> Answer:
        """What the first of the presets that can be served says.

        Args:
            question: What to ask.
            request: Learns what is tried and who serves, and can be taken back.
            timeout_s: Seconds for everything together.

        Raises:
            ServerError: None can be served; it is the failure of the one that was asked for.
            RequestCancelledError: The request was taken back.
        """
        self._budget.earn()
        deadline = Deadline(timeout_s, clock=self._clock)
        failures: list[ServerError] = []
        too_large: set[str] = set()
        try:
            for index, preset in enumerate(question.presets):
                request.model = question.model or model_of(preset, question.photo.size_hw)
                if request.model in too_large:  # it would be the same picture again
                    continue
                try:
                    answer = self._answer(question, preset, request, deadline, last=preset is question.presets[-1])
                except ServerError as failure:
                    if not (_allows(failure, question.causes) or (index > 0 and _passes_over(failure))):
                        raise
                    failures.append(failure)
                    if isinstance(failure, ServerOutOfMemoryError):
                        too_large.add(request.model)
                else:
                    _note(answer, failures, request)
                    return answer
                if deadline.passed:
                    break
            raise failures[0]
        finally:
            # Each knows this frame by its traceback: a circle, which would keep the photograph for the collector.
            failures.clear()

    def _answer(
        self, question: Question, preset: Preset, request: Request, deadline: Deadline, *, last: bool
    ) -> Answer:
        """What the network of one preset says, within its share of the time."""
        share = deadline if last else deadline.share(SHARE)
        limit = share if "timeout" in question.causes else deadline
        queue_limit = share if "busy" in question.causes else limit
        version = question.version or question.versions.get(str(request.model), "")

        def attempt() -> Answer:
            request.cancel.require()
            with request.watch.stage("network"):
                size = self._size(question, preset, limit)
            with request.watch.stage("resize"):
                picture, geometry = preprocess.network_image(question.photo.rgb, size, preset.resize)
            options = CallOptions(
                version=version,
                request_id=request.request_id,
                headers=request.headers,
                queue_timeout_s=queue_limit.remaining_s,
                cancel=request.cancel,
            )
            request.attempts += 1
            with request.watch.stage("network"):
                inference = self._transport.infer(
                    str(request.model), picture, timeout_s=limit.remaining_s, options=options
                )
            return Answer(preset, geometry, inference)

        breaker = self.breakers[" version ".join(filter(None, (request.model, version)))]
        return self._with_retries(attempt, breaker, limit, request)

    def _size(self, question: Question, preset: Preset, limit: Deadline) -> int:
        """Working size of the model that is asked, in pixels."""
        if question.model is not None:
            return self._transport.model_size(question.model, timeout_s=limit.remaining_s)
        return working_size(preset, question.photo.size_hw)

    def _with_retries(
        self, attempt: Callable[[], Result], breaker: Breaker, limit: Deadline, request: Request
    ) -> Result:
        for retry in itertools.count():
            try:
                with breaker.guarding():
                    return attempt()
            except ServerError as failure:
                delay_s = self._policy.delay_s(retry)
                if not (failure.transient and self._may_retry(retry, delay_s, breaker, limit)):
                    raise
            request.cancel.wait(delay_s)
            request.retries += 1
        raise AssertionError("unreachable")

    def _may_retry(self, retry: int, delay_s: float, breaker: Breaker, limit: Deadline) -> bool:
        return (
            retry < self._policy.retries
            and breaker.state == "closed"
            and delay_s < limit.remaining_s
            and self._budget.spend()
        )


def model_of(preset: Preset, photo_hw: tuple[int, int]) -> str:
    """Name of the model that a preset asks about a photograph of this height and width."""
    return contract.model_name(working_size(preset, photo_hw))


def _allows(failure: ServerError, causes: Sequence[FallbackCause]) -> bool:
    """Whether a smaller preset may serve after `failure`."""
    if isinstance(failure, CircuitOpenError):
        opened_by = failure.__cause__
        if isinstance(opened_by, ServerUnreachableError):  # where nothing answers, nothing smaller does either
            return False
        return "circuit" in causes or (isinstance(opened_by, ServerError) and _allows(opened_by, causes))
    kinds: dict[FallbackCause, type[ServerError]] = {
        "memory": ServerOutOfMemoryError,
        "busy": ServerBusyError,
        "timeout": ServerTimeoutError,
    }
    return any(isinstance(failure, kinds[cause]) for cause in causes if cause in kinds)


def _passes_over(failure: ServerError) -> bool:
    """Whether `failure` of a preset that nobody has asked for is no reason to give up."""
    return isinstance(failure, ModelUnavailableError | ServerTimeoutError | CircuitOpenError)


def _note(answer: Answer, failures: Sequence[ServerError], request: Request) -> None:
    """Who served, and why not the one that was asked for."""
    request.served = answer.preset.name
    request.model = answer.inference.model
    request.model_version = answer.inference.version
    if failures:
        request.fallback_reason = " ".join(map(str, failures))
        request.fallback_cause = type(failures[0]).__name__


class Elsewhere:
    """Other servers than a client's own, for variants of an experiment that are served there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transports: dict[str, Transport] = {}
        self._askers: dict[str, Asker] = {}
        self._lock = threading.Lock()

    def at(self, url: str) -> Asker:
        """Who asks the server at `url`; connected once."""
        with self._lock:
            if url not in self._askers:
                self._transports[url] = TritonTransport(url)
                self._askers[url] = Asker(self._transports[url], self._settings)
            return self._askers[url]

    def close(self) -> None:
        """Ends the connections."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()
