"""The working size as a layer of a request: no larger than the checkpoint gains from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tuft.errors import ServerError
from tuft.presets import within

if TYPE_CHECKING:
    from tuft.inference.retrying import RetryingTransport
    from tuft.inference.runner import Runner, RunRequest, RunResult


class SizedRunner:
    """Makes a limited preset smaller where the server states that the checkpoint gains nothing from its size.

    A size, model or version that the caller has named holds.

    Args:
        inner: Serves the preset.
        transport: Knows what the server states.
    """

    def __init__(self, inner: Runner, transport: RetryingTransport) -> None:
        self._inner = inner
        self._transport = transport

    def run(self, request: RunRequest) -> RunResult:
        """See `Runner.run`."""
        if request.preset.limited and request.model is None and not request.version:
            request = self._limited(request)
        return self._inner.run(request)

    def _limited(self, request: RunRequest) -> RunRequest:
        best_size = self._transport.best_size(request)
        if best_size is None:
            return request
        smaller = replace(request, preset=within(request.preset, request.photo.size_hw, best_size))
        try:
            return smaller if self._transport.is_ready(request, smaller.model_name) else request
        except ServerError:
            return request
