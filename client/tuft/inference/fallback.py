"""Stepping down: a smaller preset serves where the one asked for cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tuft.errors import (
    CircuitOpenError,
    ModelUnavailableError,
    ServerBusyError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from tuft.presets import smaller_presets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft.inference.runner import Runner, RunRequest, RunResult
    from tuft.presets import FallbackCause, Preset
    from tuft.settings import Settings

# Fraction of the remaining deadline given to each attempt except the last.
SHARE: Final = 0.5


class FallbackRunner:
    """Tries the preset asked for, then the smaller ones.

    Args:
        inner: Serves one preset.
        settings: `fallback_on` and `stable_last`.
    """

    def __init__(self, inner: Runner, settings: Settings) -> None:
        self._inner = inner
        self._causes = settings.fallback_on
        self._stable_last = settings.stable_last

    def run(self, request: RunRequest) -> RunResult:
        """The result of the first preset that can be served.

        Raises:
            ServerError: None can be served; it is the failure of the preset asked for.
            NoSubjectError: The network found no subject.
            RequestCancelledError: The request was cancelled.
        """
        presets = self._presets(request)
        failures: list[ServerError] = []
        too_large: set[str] = set()
        try:
            for preset in presets:
                attempt = self._attempt(request, preset, last=preset is presets[-1])
                if attempt.model_name in too_large:  # the same picture again
                    continue
                request.state.note(model=attempt.model_name)
                try:
                    result = self._inner.run(attempt)
                except ServerError as failure:
                    if not (self._allows(failure, attempt) or (failures and _passes_over(failure))):
                        raise
                    failures.append(failure)
                    if isinstance(failure, ServerOutOfMemoryError):
                        too_large.add(attempt.model_name)
                else:
                    _note(result, failures, request)
                    return result
                if request.deadline.passed:
                    break
            raise failures[0]
        finally:
            # Each failure's traceback refers to this frame: a cycle that would keep the photograph in memory.
            failures.clear()

    def _presets(self, request: RunRequest) -> Sequence[Preset]:
        if not request.may_step_down:
            return (request.preset,)
        smaller = smaller_presets(request.preset, request.photo.size_hw, stable_last=self._stable_last)
        return (request.preset, *smaller)

    def _allows(self, failure: ServerError, attempt: RunRequest) -> bool:
        """Whether a smaller preset may serve after `failure` of `attempt`."""
        if isinstance(failure, ModelUnavailableError) and attempt.model_version:
            return False  # the model may be served, only not the version that was asked for
        return _is_cause(failure, self._causes)

    def _attempt(self, request: RunRequest, preset: Preset, *, last: bool) -> RunRequest:
        """The request for one preset, within its share of the time."""
        share = request.deadline if last else request.deadline.share(SHARE)
        deadline = share if "timeout" in self._causes else request.deadline
        queue_deadline = share if "busy" in self._causes else deadline
        return replace(request, preset=preset, deadline=deadline, queue_deadline=queue_deadline)


def _is_cause(failure: ServerError, causes: Sequence[FallbackCause]) -> bool:
    """Whether `failure` is one of `causes`."""
    if isinstance(failure, CircuitOpenError):
        opened_by = failure.__cause__
        if isinstance(opened_by, ServerUnreachableError):  # no model of that server answers
            return False
        return "circuit" in causes or (isinstance(opened_by, ServerError) and _is_cause(opened_by, causes))
    kinds: dict[FallbackCause, type[ServerError]] = {
        "memory": ServerOutOfMemoryError,
        "busy": ServerBusyError,
        "timeout": ServerTimeoutError,
        "missing": ModelUnavailableError,
    }
    return any(isinstance(failure, kinds[cause]) for cause in causes if cause in kinds)


def _passes_over(failure: ServerError) -> bool:
    """Whether to go on to the next preset after `failure` of one that the caller did not ask for."""
    return isinstance(failure, ModelUnavailableError | ServerTimeoutError | CircuitOpenError)


def _note(result: RunResult, failures: Sequence[ServerError], request: RunRequest) -> None:
    """Notes the preset that served, and why not the one asked for."""
    request.state.note(served=result.preset.name, model=result.model, model_version=result.version)
    if failures:
        reason = " ".join(filter(None, (*map(str, failures), request.state.record.fallback_reason)))
        request.state.note(fallback_reason=reason, fallback_cause=type(failures[0]).__name__)
