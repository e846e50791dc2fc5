"""The rollout itself: load, give a share, watch, go on, or go back."""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from tuft import provenance
from tuft.errors import OptionError, ServerError, SetupError, TuftError
from tuft.operations.rollout.guardrails import Guards, judge
from tuft.operations.rollout.model_control import ModelControl
from tuft.operations.rollout.outcomes import Outcomes
from tuft.operations.rollout.runner import REREAD_S
from tuft.operations.rollout.state import STEPS, Plan, only_one, read_plan, write_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuft.operations.rollout.guardrails import Verdict

# Until then every client has read the plan again, and sent what it had decided by the one before.
SETTLE_S: Final = 2 * REREAD_S
LOOK_S: Final = 2.0
_MAX_STEP: Final = len(STEPS) - 1


class Conductor:
    """Changes the plan, and what the server has loaded, one after the other.

    Args:
        folder: The folder that all clients share.
        key: Opens the server's model control.
        settle_s: Seconds until every client has read a changed plan.
    """

    def __init__(self, folder: Path, key: str, *, settle_s: float = SETTLE_S) -> None:
        self._folder = folder
        self._key = key
        self._settle_s = settle_s

    def start(self, repository: Path, model: str, version: str, url: str, guards: Guards | None = None) -> Plan:
        """Gives the first share of the requests to a new version, once it is verified, loaded and warmed up.

        Raises:
            OptionError: Another rollout is running, or the version serves already.
            SetupError: The version is not published, or not as it was published.
            ServerError: The server cannot load it, or it does not answer as it should; all is as it was.
        """
        _require_published(repository / model, version)
        with only_one(self._folder):
            _require_none_running(read_plan(self._folder))
            control = ModelControl(url, self._key)
            try:
                plan = _new_plan(model, control.versions(model)[-1], version, url, guards or Guards())
                self._tell(plan)  # now no client leaves the version to the server, which would take the new one
                try:
                    control.serve(model, (plan.old, plan.new))
                    control.warm_up(model, plan.new)
                except TuftError as error:
                    self._withdraw(plan, control, str(error))
                    raise
                return self._go_to(plan, 1)
            finally:
                control.close()

    def look(self) -> tuple[Plan, list[Verdict]]:
        """What the guard rails say; if one has tripped, the new version is withdrawn.

        Raises:
            OptionError: There is no rollout.
            ServerError: The new version could not be unloaded; no client asks it any more.
        """
        with only_one(self._folder):
            plan, verdicts = self.standing()
            tripped = [verdict for verdict in verdicts if verdict.tripped]
            if plan.phase == "running" and tripped:
                reason = f"{', '.join(map(str, tripped))} in step {plan.step}."
                plan = self._with_control(plan, lambda control: self._withdraw(plan, control, reason))
            return plan, verdicts

    def promote(self, *, all_at_once: bool = False) -> Plan:
        """Gives the new version its next share; after the last one, the old version is unloaded.

        Args:
            all_at_once: Whether to give it all requests now.

        Raises:
            OptionError: No rollout is running.
            ServerError: The old version could not be unloaded; no client asks it any more.
        """
        plan, _ = self.look()
        if plan.phase == "withdrawn":
            return plan
        with only_one(self._folder):
            plan = self._running()
            if plan.step < _MAX_STEP:
                return self._go_to(plan, _MAX_STEP if all_at_once else plan.step + 1)
            return self._with_control(plan, lambda control: self._finish(plan, control))

    def abort(self, reason: str = "By hand.") -> Plan:
        """Gives all requests back to the old version, which is loaded again if need be, and unloads the new one.

        Raises:
            OptionError: There is no rollout.
            ServerError: The server did not do it.
        """
        with only_one(self._folder):
            plan = self._plan()
            return self._with_control(plan, lambda control: self._withdraw(plan, control, plan.reason or reason))

    def watch(
        self,
        *,
        every_s: float = math.inf,
        look_s: float = LOOK_S,
        told: Callable[[Plan], None] = lambda _: None,
        stop: threading.Event | None = None,
    ) -> Plan:
        """Looks at the guard rails until the rollout has ended.

        Args:
            every_s: Promote after so many seconds in each step, if the new version was asked often enough to be judged;
                never by default.
            look_s: Seconds between two looks.
            told: Is told of each new step.
            stop: Ends the watch before.

        Raises:
            OptionError: There is no rollout.
        """
        stop = stop or threading.Event()
        plan, verdicts = self.look()
        step, since_s = plan.step, time.monotonic()
        while plan.phase == "running" and not stop.wait(look_s):
            plan, verdicts = self.look()
            if plan.step != step:
                step, since_s = plan.step, time.monotonic()
                told(plan)
            elif plan.phase == "running" and time.monotonic() - since_s >= every_s and _is_judged(verdicts):
                plan = self.promote()
            if plan.phase == "running":
                self._restore(plan)
        told(plan)
        return plan

    def standing(self) -> tuple[Plan, list[Verdict]]:
        """The plan, and what the guard rails say of this step; nothing is changed.

        Raises:
            OptionError: There is no rollout.
        """
        plan = self._plan()
        return plan, judge(*Outcomes(self._folder).samples(plan), plan.guards)

    def _restore(self, plan: Plan) -> None:
        """A server that was started again has the highest version only."""
        with suppress(ServerError):  # it may be starting; the next look will tell
            self._with_control(plan, lambda control: self._load_both(plan, control))

    def _load_both(self, plan: Plan, control: ModelControl) -> Plan:
        with only_one(self._folder):
            if self._plan() == plan:  # nobody has gone on or back meanwhile
                control.serve(plan.model, (plan.old, plan.new))
        return plan

    def _withdraw(self, plan: Plan, control: ModelControl, reason: str) -> Plan:
        if plan.phase == "finished":
            control.serve(plan.model, (plan.old, plan.new))
        plan = replace(plan, phase="withdrawn", reason=reason)
        self._tell(plan)
        control.serve(plan.model, (plan.old,))
        return plan

    def _finish(self, plan: Plan, control: ModelControl) -> Plan:
        control.serve(plan.model, (plan.new,))  # no client has asked the old one since the step before
        plan = replace(plan, phase="finished")
        write_plan(self._folder, plan)
        return plan

    def _go_to(self, plan: Plan, step: int) -> Plan:
        plan = replace(plan, step=step, before=plan.step)
        write_plan(self._folder, plan)
        return plan

    def _tell(self, plan: Plan) -> None:
        """Every client knows it afterwards."""
        write_plan(self._folder, plan)
        time.sleep(self._settle_s)

    def _with_control(self, plan: Plan, change: Callable[[ModelControl], Plan]) -> Plan:
        control = ModelControl(plan.url, self._key)
        try:
            return change(control)
        finally:
            control.close()

    def _plan(self) -> Plan:
        plan = read_plan(self._folder)
        if plan is None:
            raise OptionError(f"There was no rollout in {self._folder}: begin one with `tuft rollout start`.")
        return plan

    def _running(self) -> Plan:
        plan = self._plan()
        if plan.phase != "running":
            raise OptionError(f"The rollout of {plan.model} is {plan.phase}: begin one with `tuft rollout start`.")
        return plan


def _is_judged(verdicts: Sequence[Verdict]) -> bool:
    return all(verdict.tripped is not None for verdict in verdicts if verdict.guard == "errors")


def _require_published(folder: Path, version: str) -> None:
    if not folder.is_dir():
        raise SetupError(f"There is no model {folder.name} in {folder.parent}: name one that is published there.")
    if version not in {record.version for record in provenance.check_model(folder)}:
        raise SetupError(f"{folder} has no version {version}: publish it with `tuft-export publish`.")


def _require_none_running(plan: Plan | None) -> None:
    if plan is not None and plan.phase == "running":
        raise OptionError(
            f"A rollout of {plan.model} to version {plan.new} is running: promote or abort that one first."
        )


def _new_plan(model: str, old: str, new: str, url: str, guards: Guards) -> Plan:
    if old == new:
        raise OptionError(f"Version {new} of {model} serves already: name another one.")
    began = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    return Plan(f"{model}.{old}-{new}.{began}", model, old, new, url, guards=guards)
