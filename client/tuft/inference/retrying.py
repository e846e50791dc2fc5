"""Retries, their budget, and circuit breakers around a transport."""

from __future__ import annotations

import itertools
import random as random_numbers
import time
from typing import TYPE_CHECKING

from tuft.errors import ServerError
from tuft.inference.resilience import Breakers, RetryBudget, RetryPolicy
from tuft.inference.transport.base import CallOptions, NetworkInput

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from tuft.inference.resilience import Breaker
    from tuft.inference.runner import RunRequest
    from tuft.inference.transport.base import Inference, Transport
    from tuft.settings import Settings

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
        for retry in itertools.count():
            try:
                with breaker.guarding():
                    return self._attempt(request, picture)
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
        options = CallOptions(
            version=request.model_version,
            request_id=state.record.request_id,
            headers=state.headers,
            queue_timeout_s=(request.queue_deadline or request.deadline).remaining_s,
            cancel=state.cancel,
        )
        state.note(attempts=state.record.attempts + 1)
        with state.watch.stage("network"):
            return self._transport.infer(
                request.model_name, image, timeout_s=request.deadline.remaining_s, options=options
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
