"""Runs a rollout: load the new version, raise its share step by step, watch the guardrails, finish or withdraw."""

from __future__ import annotations

import math
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, TypeAlias

from tuft import provenance
from tuft.errors import OptionError, ServerError, SetupError, TuftError
from tuft.operations.rollout.claim import claimed, require_latest
from tuft.operations.rollout.guardrails import evaluate_guardrails
from tuft.operations.rollout.kubernetes import KubernetesControl, serving_model
from tuft.operations.rollout.model_control import ModelControl
from tuft.operations.rollout.outcomes import Outcomes
from tuft.operations.rollout.runner import REFRESH_INTERVAL_S
from tuft.operations.rollout.state import STEPS, Cluster, Guards, Plan, exclusive_lock, read_plan, write_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tuft.operations.rollout.guardrails import Verdict

Control: TypeAlias = ModelControl | KubernetesControl

# By then every client has read the new plan and has sent the requests that it assigned by the previous one.
SETTLE_S: Final = 2 * REFRESH_INTERVAL_S
POLL_INTERVAL_S: Final = 2.0
_MAX_STEP: Final = len(STEPS) - 1


class RolloutController:
    """Changes the plan that clients follow and the versions that the server has loaded, in a safe order.

    Args:
        folder: The folder that all clients share.
        key: The key of the server's model control; empty for a server that restricts nothing.
        settle_s: Seconds until every client has read a changed plan.
        connect: Connects to the model control of a server, given its URL and the key.
        connect_cluster: Connects to the InferenceService of a rollout on Kubernetes.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        *,
        settle_s: float = SETTLE_S,
        connect: Callable[[str, str], ModelControl] = ModelControl.connect,
        connect_cluster: Callable[[Cluster], KubernetesControl] = KubernetesControl,
    ) -> None:
        self._folder = folder
        self._key = key
        self._settle_s = settle_s
        self._connect = connect
        self._connect_cluster = connect_cluster

    def start(
        self,
        repository: Path,
        model: str,
        version: str,
        url: str,
        guards: Guards | None = None,
        *,
        cluster: Cluster | None = None,
    ) -> Plan:
        """Verifies, loads and warms up a new version, then gives it the first share of the requests.

        Args:
            repository: The model repository, as this machine sees it.
            model: Name of the model.
            version: The new version.
            url: The server's gRPC address.
            guards: Limits on how much worse the new version may be.
            cluster: The InferenceService that has the versions, with the storage URI of the new one.

        Raises:
            OptionError: Another rollout of this model is running, in whatever folder, or the version is not higher than
                the one that serves.
            SetupError: The version is not published, or was changed since.
            ServerError: The server cannot load it, or its answer is wrong; the old version serves as before.
        """
        _require_published(repository / model, version)
        with exclusive_lock(self._folder):
            _require_none_running(read_plan(self._folder))
            control = self._control(url, cluster)
            try:
                with claimed(url, model, self._folder):
                    plan = _new_plan(model, _only_version(control, model, url), version, url, guards or Guards())
                    if cluster is not None:
                        plan = replace(plan, cluster=_with_both(cluster, plan))
                        control = self._control(url, plan.cluster)
                    # From now on clients name the old version. Without a version the server would serve the new one.
                    write_plan(self._folder, plan)
                time.sleep(self._settle_s)
                try:
                    control.serve(model, (plan.old, plan.new))
                    control.warm_up(model, plan.new)
                except TuftError as error:
                    self._withdraw(plan, control, str(error))
                    raise
                return self._go_to(plan, 1)
            finally:
                control.close()

    def check(self) -> tuple[Plan, list[Verdict]]:
        """Evaluates the guardrails, and withdraws the new version if one has tripped.

        Raises:
            OptionError: There is no rollout.
            ServerError: The new version could not be unloaded; clients no longer request it.
        """
        with exclusive_lock(self._folder):
            plan, verdicts = self.status()
            tripped = [verdict for verdict in verdicts if verdict.tripped]
            if plan.phase == "running" and tripped:
                reason = f"{', '.join(map(str, tripped))} in step {plan.step}."
                plan = self._with_control(plan, lambda control: self._withdraw(plan, control, reason))
            return plan, verdicts

    def promote(self, *, all_at_once: bool = False) -> Plan:
        """Gives the new version its next share; after the last step, unloads the old version.

        Args:
            all_at_once: Whether to skip to the last step.

        Raises:
            OptionError: No rollout is running.
            ServerError: The old version could not be unloaded; clients no longer request it.
        """
        plan, _ = self.check()
        if plan.phase == "withdrawn":
            return plan
        with exclusive_lock(self._folder):
            plan = self._running()
            if plan.step < _MAX_STEP:
                return self._go_to(plan, _MAX_STEP if all_at_once else plan.step + 1)
            return self._with_control(plan, lambda control: self._finish(plan, control))

    def abort(self, reason: str = "By hand.") -> Plan:
        """Gives all requests back to the old version, which is loaded again if necessary, and unloads the new one.

        Raises:
            OptionError: There is no rollout, or another one has changed the versions since.
            ServerError: The server did not load or unload a version.
        """
        with exclusive_lock(self._folder):
            plan = self._plan()
            require_latest(plan, self._folder)
            return self._with_control(plan, lambda control: self._take_back(plan, control, plan.reason or reason))

    def loaded(self, plan: Plan) -> tuple[str, ...]:
        """The versions of the plan's model that the server has loaded, in ascending order.

        Raises:
            ServerError: The server did not answer.
        """
        control = self._control(plan.url, plan.cluster)
        try:
            return control.versions(plan.model)
        finally:
            control.close()

    def watch(
        self,
        *,
        every_s: float = math.inf,
        poll_interval_s: float = POLL_INTERVAL_S,
        on_change: Callable[[Plan], None] = lambda _: None,
        stop: threading.Event | None = None,
    ) -> Plan:
        """Checks the guardrails until the rollout has ended.

        Args:
            every_s: Seconds in each step after which the new version is promoted, if it has had enough requests for a
                verdict; never by default.
            poll_interval_s: Seconds between two checks.
            on_change: Called with the plan at each new step and at the end.
            stop: Ends the watch early.

        Raises:
            OptionError: There is no rollout.
        """
        stop = stop or threading.Event()
        plan, verdicts = self.check()
        step, since_s = plan.step, time.monotonic()
        while plan.phase == "running" and not stop.wait(poll_interval_s):
            plan, verdicts = self.check()
            if plan.step != step:
                step, since_s = plan.step, time.monotonic()
                on_change(plan)
            elif plan.phase == "running" and time.monotonic() - since_s >= every_s and _has_verdict(verdicts):
                plan = self.promote()
            if plan.phase == "running":
                self._restore(plan)
        on_change(plan)
        return plan

    def status(self) -> tuple[Plan, list[Verdict]]:
        """The plan and the verdicts on its current step; changes nothing.

        Raises:
            OptionError: There is no rollout.
        """
        plan = self._plan()
        return plan, evaluate_guardrails(*Outcomes(self._folder).samples(plan), plan.guards)

    def _restore(self, plan: Plan) -> None:
        """Loads both versions again if the server was restarted: it then has only the highest one."""
        with suppress(ServerError):  # it may still be starting; the next check tries again
            self._with_control(plan, lambda control: self._load_both(plan, control))

    def _load_both(self, plan: Plan, control: Control) -> Plan:
        with exclusive_lock(self._folder):
            if self._plan() == plan:  # no other process has changed it meanwhile
                control.serve(plan.model, (plan.old, plan.new))
        return plan

    def _take_back(self, plan: Plan, control: Control, reason: str) -> Plan:
        loaded = control.versions(plan.model)
        if plan.phase != "running" and not {plan.old, plan.new}.issuperset(loaded):  # a rollout from another machine
            raise OptionError(
                f"{plan.url} serves version {', '.join(loaded)} of {plan.model}, and this rollout was from {plan.old} "
                f"to {plan.new}: abort the later one; nothing was changed."
            )
        return self._withdraw(plan, control, reason)

    def _withdraw(self, plan: Plan, control: Control, reason: str) -> Plan:
        if plan.phase == "finished":
            control.serve(plan.model, (plan.old, plan.new))
        plan = replace(plan, phase="withdrawn", reason=reason)
        self._publish(plan)
        control.serve(plan.model, (plan.old,))
        return plan

    def _finish(self, plan: Plan, control: Control) -> Plan:
        control.serve(plan.model, (plan.new,))  # clients have not requested the old one since the previous step
        plan = replace(plan, phase="finished")
        write_plan(self._folder, plan)
        return plan

    def _go_to(self, plan: Plan, step: int) -> Plan:
        plan = replace(plan, step=step, before=plan.step)
        if plan.cluster is not None:
            with closing(self._connect_cluster(plan.cluster)) as control:
                control.give(plan.share)
        write_plan(self._folder, plan)
        return plan

    def _publish(self, plan: Plan) -> None:
        """Writes the plan and waits until every client has read it."""
        write_plan(self._folder, plan)
        time.sleep(self._settle_s)

    def _with_control(self, plan: Plan, change: Callable[[Control], Plan]) -> Plan:
        control = self._control(plan.url, plan.cluster)
        try:
            return change(control)
        finally:
            control.close()

    def _control(self, url: str, cluster: Cluster | None) -> Control:
        return self._connect(url, self._key) if cluster is None else self._connect_cluster(cluster)

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


def _has_verdict(verdicts: Sequence[Verdict]) -> bool:
    return all(verdict.tripped is not None for verdict in verdicts if verdict.guard == "errors")


def _require_published(folder: Path, version: str) -> None:
    if not folder.is_dir():
        raise SetupError(f"There is no model {folder.name} in {folder.parent}: name one that is published there.")
    if version not in {record.version for record in provenance.check_model(folder)}:
        raise SetupError(
            f"{folder} has no version {version}: publish it with `tuft-export publish --version {version}`."
        )


def _require_none_running(plan: Plan | None) -> None:
    if plan is not None and plan.phase == "running":
        raise OptionError(
            f"A rollout of {plan.model} to version {plan.new} is running: promote or abort that one first."
        )


def _only_version(control: Control, model: str, url: str) -> str:
    """The version that serves. The server itself shows a rollout whose plan is in another folder: it has two loaded."""
    *others, version = control.versions(model)
    if others:
        loaded = ", ".join((*others, version))
        raise OptionError(
            f"{url} has versions {loaded} of {model} loaded, as in a rollout from another folder: "
            "finish or abort that one first, with its own --state."
        )
    return version


def _with_both(cluster: Cluster, plan: Plan) -> Cluster:
    """`cluster` with the old version, to which the rollout may go back."""
    return replace(cluster, models={**cluster.models, plan.old: serving_model(cluster)})


def _new_plan(model: str, old: str, new: str, url: str, guards: Guards) -> Plan:
    if old == new:
        raise OptionError(f"Version {new} of {model} serves already: name another one.")
    if int(new) < int(old):
        raise OptionError(f"Version {new} of {model} is lower than version {old}, which serves: name a higher one.")
    began = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    return Plan(f"{model}.{old}-{new}.{began}", model, old, new, url, guards=guards)
