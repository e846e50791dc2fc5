"""Retries, their budget, and circuit breakers around a transport."""

from __future__ import annotations

import itertools
import random as random_numbers
import time
from typing import TYPE_CHECKING

import numpy as np

from tuft import contract
from tuft.errors import ContractError, ServerError
from tuft.inference.resilience import Breakers, RetryBudget, RetryPolicy
from tuft.inference.transport.base import PROBE_TIMEOUT_S, CallOptions, NetworkInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from numpy.typing import NDArray

    from tuft.inference.resilience import Breaker
    from tuft.inference.runner import RunRequest
    from tuft.inference.transport.base import Inference, Tensors, Transport
    from tuft.settings import Settings

    Reply = TypeVar("Reply")
    Picture = Callable[[NetworkInput], NDArray[np.uint8]]


class RetryingTransport:
    """Sends pictures through a transport; sends them again after failures that are likely to pass.

    Between requests it remembers which models fail, and how much was sent again.

    Args:
        transport: The way to the server.
        settings: Retries, their budget, and the breaker.
        clock: Monotonic seconds.
        random: Uniform numbers in 0..1.
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

    def infer(self, request: RunRequest, picture: Picture) -> Inference:
        """The network's saliency for a request.

        Args:
            request: Names the model, its version and the deadlines.
            picture: Makes the network's input, (S, S, 3) uint8 sRGB; called before each attempt.

        Raises:
            ServerError: No usable answer came, or the model's circuit is open.
            RequestCancelledError: The request was cancelled.
        """
        if not request.state.record.attempts:  # once a request, however many presets it tries
            self._budget.deposit()
        breaker = self.breakers[" version ".join(filter(None, (request.model_name, request.model_version)))]
        return self._retried(request, breaker, lambda: self._attempt(request, picture))

    def run(
        self,
        request: RunRequest,
        model: str,
        tensors: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        *,
        version: str = "",
    ) -> Tensors:
        """The outputs of another model that a request needs, such as one that takes prompts.

        Args:
            request: Gives the deadline; its own model and versions are not used.
            model: Name of the model.
            tensors: Its inputs by name, each with a batch axis of one.
            outputs: Names of the outputs that are wanted.
            version: Its version; empty leaves the choice to the server.

        Raises:
            ServerError: No usable answer came, or the model's circuit is open.
            RequestCancelledError: The request was cancelled.
        """

        def attempt() -> Tensors:
            request.state.cancel.raise_if_cancelled()
            options = self._options(request, version)
            with request.state.watch.stage("network"):
                return self._transport.run(
                    model, tensors, outputs, timeout_s=request.deadline.remaining_s, options=options
                )

        breaker = self.breakers[" version ".join(filter(None, (model, version)))]
        return self._retried(request, breaker, attempt)

    def matte(self, request: RunRequest, planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Alpha of tiles by the matting stage; usable from many threads at once.

        Args:
            request: Gives the deadline, and the version that a rollout has assigned.
            planes: uint8 (n, T, T, 9), as `tuft.contract` describes them.

        Returns:
            uint8 (n, T, T, 1).

        Raises:
            ServerError: No usable answer came, or the stage's circuit is open.
            RequestCancelledError: The request was cancelled.
        """
        model, output = contract.MATTING_MODEL, contract.MATTING_OUTPUT_NAME
        version = request.versions.get(model, "")

        def attempt() -> Tensors:
            request.state.cancel.raise_if_cancelled()
            return self._transport.run(
                model,
                {contract.MATTING_INPUT_NAME: planes},
                (output,),
                timeout_s=request.deadline.remaining_s,
                options=self._options(request, version),
            )

        breaker = self.breakers[" version ".join(filter(None, (model, version)))]
        alpha = self._retried(request, breaker, attempt).values[output]
        if alpha is None or alpha.dtype != np.uint8 or alpha.shape != (*planes.shape[:3], 1):
            given = None if alpha is None else f"{alpha.dtype} {list(alpha.shape)}"
            raise ContractError(f"The model {model} sent {given} for tiles of {list(planes.shape)}: publish it again.")
        return np.asarray(alpha)

    def is_ready(self, request: RunRequest, model: str) -> bool:
        """Whether the server has a model ready that a request may use, see `Transport.is_ready`.

        Raises:
            ServerError: The server did not answer the question.
        """
        return self._retried(request, self.breakers[model], lambda: self._transport.is_ready(model))

    def best_size(self, request: RunRequest) -> int | None:
        """The working size above which the checkpoint of a request's model gains nothing; None if that is not known.

        It is asked for in passing: a server that fails here fails the request itself, with its own error.
        """
        if self.breakers[request.model_name].state != "closed":
            return None
        timeout_s = min(request.deadline.remaining_s, PROBE_TIMEOUT_S)
        try:
            return self._transport.network_input(request.model_name, timeout_s=timeout_s).best_size
        except ServerError:
            return None

    def _retried(self, request: RunRequest, breaker: Breaker, attempt: Callable[[], Reply]) -> Reply:
        for retry in itertools.count():
            try:
                with breaker.guarding():
                    return attempt()
            except ServerError as failure:
                delay_s = self._policy.delay_s(retry)
                if not (failure.transient and self._may_retry(retry, delay_s, breaker, request)):
                    raise
            request.state.cancel.wait(delay_s)
            request.state.note(retries=request.state.record.retries + 1)
        raise AssertionError("unreachable")

    def _attempt(self, request: RunRequest, picture: Picture) -> Inference:
        state = request.state
        state.cancel.raise_if_cancelled()
        with state.watch.stage("network"):
            network = self._network_input(request)
        image = picture(network)
        options = self._options(request, request.model_version)
        state.note(attempts=state.record.attempts + 1)
        with state.watch.stage("network"):
            return self._transport.infer(
                request.model_name, image, timeout_s=request.deadline.remaining_s, options=options
            )

    def _options(self, request: RunRequest, version: str) -> CallOptions:
        return CallOptions(
            version=version,
            request_id=request.state.record.request_id,
            headers=request.state.headers,
            queue_timeout_s=(request.queue_deadline or request.deadline).remaining_s,
            cancel=request.state.cancel,
        )

    def _network_input(self, request: RunRequest) -> NetworkInput:
        """What a model that the caller has named takes; tuft's own models take what the preset says."""
        if request.model is None:
            return NetworkInput()
        return self._transport.network_input(request.model, timeout_s=request.deadline.remaining_s)

    def _may_retry(self, retry: int, delay_s: float, breaker: Breaker, request: RunRequest) -> bool:
        return (
            retry < self._policy.retries
            and breaker.state == "closed"
            and delay_s < request.deadline.remaining_s
            and self._budget.try_withdraw()
        )
