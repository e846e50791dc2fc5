"""`tuft rollout`: gives a new version of a model to a growing share of the requests, or withdraws it."""

from __future__ import annotations

import math
import os
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.cli._shared import DONE, FAILED, add_command, add_repository, add_url, repository_of
from tuft.errors import OptionError, ServerError
from tuft.inference.transport.access import Access
from tuft.operations.rollout import Cluster, Guards, Outcomes, Plan, RolloutController
from tuft.operations.rollout.kubernetes import model_of
from tuft.operations.rollout.model_control import ModelControl
from tuft.provenance import check_repository, repository_digest
from tuft.settings import load_settings
from tuft.text import aligned_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tuft.cli._shared import Commands
    from tuft.operations.rollout import Verdict

_GUARDS: Final = {
    "errors": "guardrail: more failures, a share",
    "p95_ratio": "guardrail: p95 latency, times the old version's",
    "quality": "guardrail: lower mean quality score",
    "near_zero": "guardrail: more scores near zero, a share",
    "subject": "guardrail: other mean share of subject",
    "min_requests": "requests before a verdict",
    "standard_errors": "how far beyond chance",
}
_VERDICTS: Final = {None: "too few", False: "holds", True: "tripped"}


def add_to(commands: Commands) -> None:
    """Adds the command and its subcommands."""
    parser = add_command(commands, "rollout", _status, "change the version of a model that is served, step by step")
    actions = parser.add_subparsers(title="commands", required=True, metavar="ACTION")
    start = add_command(actions, "start", _start, "load a version beside the one that serves, give it 1 %, and watch")
    watch = add_command(actions, "watch", _watch, "withdraw the new version as soon as a guardrail trips")
    show = add_command(actions, "status", _status, "print shares, figures, and the limits of the guardrails")
    promote = add_command(
        actions, "promote", _promote, "give the new version its next share; at last unload the old one"
    )
    abort = add_command(actions, "abort", _abort, "give all requests back to the old version")
    _add_start_options(start)
    promote.add_argument("--all", action="store_true", help="give it all requests now")
    for action in (start, watch):
        action.add_argument("--every", type=float, default=math.inf, metavar="MINUTES",
                            help="promote automatically after this time in each step")  # fmt: skip
    for action in (start, watch, show, promote, abort):
        action.add_argument("--state", type=Path, required=True, metavar="DIR",
                            help="the folder that all clients share")  # fmt: skip
    for action in (start, watch, promote, abort):
        action.add_argument("--key", default="", help="key for the server's model control; TUFT_KEY by default")


def _add_start_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="name of the model, such as inspyrenet_1024")
    parser.add_argument("version", metavar="VERSION", help="number of the version, published in the repository")
    add_repository(parser)
    add_url(parser)
    parser.add_argument("--detach", action="store_true", help="do not watch; run `tuft rollout watch` somewhere else")
    parser.add_argument("--inference-service", metavar="NAME",
                        help="InferenceService of KServe whose variants are the versions")  # fmt: skip
    parser.add_argument("--storage-uri", metavar="URI", help="of it: the new version's model repository in the bucket")
    parser.add_argument("--namespace", metavar="NAME", default="tuft", help="of it; %(default)s by default")
    parser.add_argument("--kubernetes", metavar="URL", default="",
                        help="the cluster's API, as of `kubectl proxy`; by default that of this pod")  # fmt: skip
    for guard in fields(Guards):
        kind = int if guard.name == "min_requests" else float
        parser.add_argument(f"--{guard.name.replace('_', '-')}", type=kind, metavar="N", dest=guard.name,
                            default=guard.default, help=f"{_GUARDS[guard.name]}; %(default)s by default")  # fmt: skip


def _controller(arguments: argparse.Namespace) -> RolloutController:
    connect = partial(ModelControl.connect, access=Access.of(load_settings()))
    return RolloutController(arguments.state, arguments.key or os.environ.get("TUFT_KEY", ""), connect=connect)


def _start(arguments: argparse.Namespace) -> int:
    guards = Guards(**{name: getattr(arguments, name) for name in _GUARDS})
    url = arguments.url or load_settings().url
    cluster = _cluster(arguments)
    plan = _controller(arguments).start(
        repository_of(arguments), arguments.model, arguments.version, url, guards, cluster=cluster
    )
    if not arguments.detach:
        return _watch(arguments)
    _print_state(plan)
    return DONE


def _cluster(arguments: argparse.Namespace) -> Cluster | None:
    """The InferenceService that has the versions; None if one server has them.

    Raises:
        OptionError: A part of what names it is missing.
    """
    service, uri = arguments.inference_service, arguments.storage_uri
    if service is None and uri is None:
        return None
    if service is None or uri is None:
        raise OptionError("A rollout on Kubernetes needs --inference-service and --storage-uri: give both.")
    digest = repository_digest(check_repository(repository_of(arguments)))  # the bucket has a copy of it
    models = {arguments.version: model_of(uri, digest)}
    return Cluster(service, arguments.namespace, arguments.kubernetes, models)


def _watch(arguments: argparse.Namespace) -> int:
    controller = _controller(arguments)
    plan, _ = controller.status()
    _print_state(plan)
    return _exit_code(controller, controller.watch(every_s=60 * arguments.every, on_change=_print_state))


def _status(arguments: argparse.Namespace) -> int:
    plan, verdicts = RolloutController(arguments.state, "").status()
    print(_report(arguments.state, plan, verdicts))
    return DONE


def _promote(arguments: argparse.Namespace) -> int:
    controller = _controller(arguments)
    plan = controller.promote(all_at_once=arguments.all)
    _print_state(plan)
    return _exit_code(controller, plan)


def _abort(arguments: argparse.Namespace) -> int:
    controller = _controller(arguments)
    plan = controller.abort()
    print(f"{_sentence(plan)}\n{_advice(controller, plan)}")
    return DONE


def _exit_code(controller: RolloutController, plan: Plan) -> int:
    """`FAILED`, after printing what to do, if the version was withdrawn; else `DONE`."""
    if plan.phase != "withdrawn":
        return DONE
    print(_advice(controller, plan))
    return FAILED


def _print_state(plan: Plan) -> None:
    print(_sentence(plan), flush=True)


def _sentence(plan: Plan) -> str:
    """The share of each version in one line."""
    if plan.phase == "finished":
        return f"{plan.model}: version {plan.new} serves all requests; version {plan.old} is unloaded."
    if plan.phase == "withdrawn":
        return f"{plan.model}: version {plan.new} is withdrawn, version {plan.old} serves. {plan.reason}"
    return f"{plan.model}: version {plan.new} is given {plan.share:.0%} of the requests, version {plan.old} the rest."


def _report(folder: Path, plan: Plan, verdicts: Sequence[Verdict]) -> str:
    """The shares, the request counts of this step, and a table with a row for each guardrail."""
    old, new = Outcomes(folder).samples(plan)
    counts = f"Latest requests in step {plan.step}: {len(new)} of version {plan.new}, {len(old)} of version {plan.old}."
    rows = [["guardrail", f"version {plan.old}", f"version {plan.new}", "trips at", ""]]
    rows += [[one.figure, one.old, one.new, one.limit, _VERDICTS[one.tripped]] for one in verdicts]
    return "\n".join([_sentence(plan), counts, "", aligned_table(rows)])


def _advice(controller: RolloutController, plan: Plan) -> str:
    """What the operator must do after a version was withdrawn; never to delete one that the server has loaded."""
    try:
        loaded = controller.loaded(plan)
    except ServerError as error:
        return f"Keep {plan.model}/{plan.new} until `tuft rollout abort` has unloaded it ({error})"
    if plan.new in loaded:
        return (
            f"Keep {plan.model}/{plan.new}: {plan.url} still has it loaded. `tuft rollout abort` with this --state "
            "unloads it, unless a later rollout needs it."
        )
    if plan.cluster is not None:  # each version has a repository of its own, which only its own pods load
        return f"The pods of {plan.new} are gone; its repository in the bucket may stay."
    return (
        f"Delete {plan.model}/{plan.new} from the model repository before the server is started again: "
        "it loads the highest version that it finds."
    )
