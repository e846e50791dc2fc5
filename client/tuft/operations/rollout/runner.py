"""A rollout as a layer of a request: the version that it is assigned, and the old one if the new one fails."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.errors import (
    CircuitOpenError,
    ModelUnavailableError,
    NoSubjectError,
    OptionError,
    OutputError,
    ServerError,
)
from tuft.operations.rollout.outcomes import Outcomes
from tuft.operations.rollout.state import Plan, read_plan

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from tuft.inference.runner import Runner, RunRequest, RunResult

_LOGGER: Final = logging.getLogger("tuft.rollout.taking_part")

# Fraction of a request's time that the new version may take; the old version has the rest if it has to answer instead.
SHARE: Final = 0.5
REFRESH_INTERVAL_S: Final = 1.0


@dataclass(frozen=True)
class VersionAssignment:
    """The version that one request is assigned.

    Attributes:
        plan: The rollout.
        unit: The key that it was drawn by; the same key gets the same version throughout a step.
        model: Name of the model of the preset asked for.
        gets_new: Whether it is the new version.
    """

    plan: Plan
    unit: str
    model: str
    gets_new: bool

    @property
    def is_recorded(self) -> bool:
        """Whether the outcome counts: the rollout runs, and it is this model's."""
        return self.plan.phase == "running" and self.model == self.plan.model


class Rollout:
    """Reads the rollout that clients share, and records outcomes; usable from many threads at once.

    While a rollout runs, the server gives the new version to all clients that do not take part: it answers with the
    highest that is loaded. Give a `Rollout` to all clients before the first rollout starts.

    Args:
        folder: The folder that all clients and `tuft rollout` share; it need not exist yet.
        refresh_interval_s: Seconds after which the plan is read again.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        refresh_interval_s: float = REFRESH_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = Path(folder)
        self._outcomes = Outcomes(self._folder)
        self._refresh_interval_s = refresh_interval_s
        self._clock = clock
        self._plan: Plan | None = None
        self._read_at_s = -float("inf")
        self._has_warned = False
        self._lock = threading.Lock()

    def assign(self, model: str, unit: str) -> VersionAssignment | None:
        """The version for a request; None if no rollout runs.

        Args:
            model: Name of the model of the preset asked for.
            unit: The key to draw by; a unit that was given the new version keeps it.
        """
        plan = self._current_plan()
        if plan is None or plan.phase == "finished":
            return None
        return VersionAssignment(plan, unit, model, gets_new=model == plan.model and plan.gives_new(unit))

    def record(self, plan: Plan, unit: str, version: str, **figures: float) -> None:
        """Appends the outcome of one request; a failure to write it does not affect the request."""
        try:
            self._outcomes.append(plan, unit, version, **figures)
        except OutputError as error:
            self._warn_once(error)

    def _current_plan(self) -> Plan | None:
        with self._lock:
            now_s = self._clock()
            if now_s - self._read_at_s >= self._refresh_interval_s:
                self._read_at_s = now_s
                try:
                    self._plan = read_plan(self._folder)
                except OptionError as error:  # the last plan still holds
                    self._warn_once(error)
            return self._plan

    def _warn_once(self, error: Exception) -> None:
        if not self._has_warned:
            _LOGGER.warning("%s That is told once.", error)
        self._has_warned = True


class RolledOutRunner:
    """Gives each request the version that a rollout assigns; requests that name a version take no part.

    Args:
        inner: Serves a request with the versions that it is assigned.
        rollout: Assigns them.
    """

    def __init__(self, inner: Runner, rollout: Rollout) -> None:
        self._inner = inner
        self._rollout = rollout

    def run(self, request: RunRequest) -> RunResult:
        """The new version's result if the request is assigned it and it succeeds; else the old version's.

        Raises:
            ServerError: Neither version answers; it is the old one's failure.
            NoSubjectError: The old version found no subject either.
            RequestCancelledError: The request was cancelled.
        """
        assignment = None if request.version else self._rollout.assign(request.model_name, request.unit)
        if assignment is None:
            return self._inner.run(request)
        if not assignment.gets_new:
            return self._run_old(request, assignment)
        try:
            return self._run_new(request, assignment)
        except (ServerError, NoSubjectError):
            result = self._run_old(request, assignment)
            # If the old version had failed, too, the picture or the server would be the cause.
            self._record(assignment, assignment.plan.new)
            return result

    def _run_new(self, request: RunRequest, assignment: VersionAssignment) -> RunResult:
        """By the new version, without stepping down: the old version can serve the preset asked for."""
        attempt = replace(request, may_step_down=False, deadline=request.deadline.share(SHARE))
        return self._run_version(attempt, assignment, assignment.plan.new)

    def _run_old(self, request: RunRequest, assignment: VersionAssignment) -> RunResult:
        """By the old version; if that is unloaded, by any: the plan is older than what the server has loaded."""
        try:
            return self._run_version(request, assignment, assignment.plan.old)
        except ServerError as failure:
            if _is_unloaded(failure):
                return self._inner.run(request)
            self._record(assignment, assignment.plan.old)
            raise

    def _run_version(self, request: RunRequest, assignment: VersionAssignment, version: str) -> RunResult:
        began_s = time.perf_counter()
        versions = {assignment.plan.model: version}
        result = self._inner.run(replace(request, versions=versions, url=assignment.plan.url_of(version)))
        ms = (time.perf_counter() - began_s) * 1e3
        # A kept result and another model's tell nothing about the version.
        if request.state.record.cache != "hit" and result.model == assignment.plan.model and assignment.is_recorded:
            alpha = result.matte.alpha
            quality = request.state.score(alpha, request.photo.rgb)
            self._record(assignment, result.version, ms=ms, quality=quality, subject=float(alpha.mean()) / 255)
        return result

    def _record(self, assignment: VersionAssignment, version: str, **figures: float) -> None:
        if assignment.is_recorded:
            self._rollout.record(assignment.plan, assignment.unit, version, **figures)


def _is_unloaded(failure: ServerError) -> bool:
    """Whether the version is not served, or was not when its breaker opened."""
    return isinstance(failure, ModelUnavailableError) or (
        isinstance(failure, CircuitOpenError) and isinstance(failure.__cause__, ModelUnavailableError)
    )
