"""A client's part in a rollout: which version a request is given, and the old one's answer if the new one fails."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.errors import CircuitOpenError, ModelUnavailableError, NoSubjectError, OptionError, OutputError, ServerError
from tuft.imaging.quality_score import quality_score
from tuft.inference.resilience import Deadline
from tuft.operations.rollout.outcomes import Outcomes
from tuft.operations.rollout.state import Plan, read_plan

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from tuft.inference.fallback import Answer, Question
    from tuft.operations.cache import Result

    Ask = Callable[[Question, float], tuple[Answer, Result]]

_LOGGER: Final = logging.getLogger(__name__)

# What the new version may take of a request's time; the rest is the old one's, if it has to answer instead.
SHARE: Final = 0.5
REREAD_S: Final = 1.0


class Rollout:
    """What `tuft.Client` takes as `rollout`; usable from many threads at once.

    While a rollout runs, clients that do not take part are given the new version by the server, all of them: it answers
    with the highest that is loaded. Give it to all clients before the first rollout starts.

    Args:
        folder: The folder that all clients and `tuft rollout` share; need not exist yet.
        reread_s: After so many seconds the plan is read again.
        clock: Tells seconds, never backwards.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        reread_s: float = REREAD_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = Path(folder)
        self._outcomes = Outcomes(self._folder)
        self._reread_s = reread_s
        self._clock = clock
        self._plan: Plan | None = None
        self._read_at_s = -float("inf")
        self._complained = False
        self._lock = threading.Lock()

    def turn(self, model: str, key: str) -> Turn:
        """What is to answer a request.

        Args:
            model: The one that the preset asked for needs.
            key: Whose request it is; who has been given the new version keeps it.
        """
        plan = self._current()
        if plan is None or plan.phase == "finished":
            return Turn()
        return Turn(self, plan, key, gets_new=model == plan.model and plan.gives_new(key), model=model)

    def record(self, plan: Plan, key: str, version: str, **known: float) -> None:
        """Writes down what became of a request; nobody goes unserved because that cannot be done."""
        try:
            self._outcomes.append(plan, key, version, **known)
        except OutputError as error:
            self._complain(error)

    def _current(self) -> Plan | None:
        with self._lock:
            now_s = self._clock()
            if now_s - self._read_at_s >= self._reread_s:
                self._read_at_s = now_s
                try:
                    self._plan = read_plan(self._folder)
                except OptionError as error:  # what was known still holds
                    self._complain(error)
            return self._plan

    def _complain(self, error: Exception) -> None:
        if not self._complained:
            _LOGGER.warning("%s That is told once.", error)
        self._complained = True


class Turn:
    """One request, and the version that it is given; without a plan, whatever the server chooses."""

    def __init__(
        self,
        rollout: Rollout | None = None,
        plan: Plan | None = None,
        key: str = "",
        *,
        gets_new: bool = False,
        model: str = "",
    ) -> None:
        self._rollout = rollout
        self._plan = plan
        self._key = key
        self._gets_new = gets_new
        self._model = model

    @property
    def version(self) -> str:
        """The version that its model is asked for; empty leaves it to the server."""
        if self._plan is None or self._model != self._plan.model:
            return ""
        return self._plan.new if self._gets_new else self._plan.old

    def take(self, ask: Ask, question: Question, timeout_s: float) -> tuple[Answer, Result]:
        """What `ask` says to the question: of the new version, if it is its turn and it can; else of the old one.

        Args:
            ask: Takes a question and the seconds for it.
            question: Names no version.
            timeout_s: Seconds for everything together.

        Raises:
            ServerError: Neither version answers; it is the old one's failure.
            NoSubjectError: The old version found no subject either.
        """
        if self._plan is None:
            return ask(question, timeout_s)
        deadline = Deadline(timeout_s)
        if not self._gets_new:
            return self._old(ask, question, deadline)
        try:
            # A smaller preset is no way out: the old version can do the one asked for.
            alone = replace(question, presets=question.presets[:1], versions={self._plan.model: self._plan.new})
            return self._timed(ask, alone, deadline.share(SHARE))
        except (ServerError, NoSubjectError):
            answered = self._old(ask, question, deadline)
            self._record(self._plan.new)  # had the old one failed, too, it would be the picture or the server
            return answered

    def _old(self, ask: Ask, question: Question, deadline: Deadline) -> tuple[Answer, Result]:
        """Of the old version; if it is gone, of any: the plan is older than what the server has loaded."""
        assert self._plan is not None
        try:
            return self._timed(ask, replace(question, versions={self._plan.model: self._plan.old}), deadline)
        except ServerError as failure:
            if _is_gone(failure):
                return ask(question, deadline.remaining_s)
            if self._model == self._plan.model:
                self._record(self._plan.old)
            raise

    def _timed(self, ask: Ask, question: Question, deadline: Deadline) -> tuple[Answer, Result]:
        assert self._plan is not None
        began_s = time.perf_counter()
        answer, result = ask(question, deadline.remaining_s)
        ms = (time.perf_counter() - began_s) * 1e3
        if self._plan.phase == "running" and answer.inference.model == self._model == self._plan.model:
            alpha = result.alpha
            known = {"quality": quality_score(alpha, question.photo.rgb), "subject": float(alpha.mean()) / 255}
            self._record(answer.inference.version, ms=ms, **known)
        return answer, result

    def _record(self, version: str, **known: float) -> None:
        if self._rollout is not None and self._plan is not None and self._plan.phase == "running":
            self._rollout.record(self._plan, self._key, version, **known)


def _is_gone(failure: ServerError) -> bool:
    """Whether the version is not served, or was not when its breaker opened."""
    return isinstance(failure, ModelUnavailableError) or (
        isinstance(failure, CircuitOpenError) and isinstance(failure.__cause__, ModelUnavailableError)
    )
