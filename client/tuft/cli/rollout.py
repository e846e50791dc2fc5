"""`tuft rollout`: gives a new version of a model to a growing share of the requests, or takes it back."""

from __future__ import annotations

import math
import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft.cli import DONE, FAILED, add_command
from tuft.cli._arguments import add_repository
from tuft.cli._rollout_text import sentence, status, warning
from tuft.operations.rollout import Conductor, Guards, Plan
from tuft.settings import load_settings

if TYPE_CHECKING:
    import argparse

    from tuft.cli import Commands

_GUARDS: Final = {
    "errors": "guard rail: more failures, a share",
    "p95_ratio": "guard rail: p95 latency, times the old version's",
    "quality": "guard rail: lower mean quality score",
    "near_zero": "guard rail: more scores near zero, a share",
    "subject": "guard rail: other mean share of subject",
    "min_requests": "requests before a verdict",
    "standard_errors": "how far beyond chance",
}


def add_to(commands: Commands) -> None:
    """Declares the command and its own commands."""
    parser = add_command(commands, "rollout", _status, "change the version of a model that is served, step by step")
    actions = parser.add_subparsers(title="commands", required=True, metavar="ACTION")

    start = add_command(actions, "start", _start, "load a version beside the one that serves, give it 1 %, and watch")
    start.add_argument("model", metavar="MODEL", help="name of the model, such as inspyrenet_1024")
    start.add_argument("version", metavar="VERSION", help="number of the version, published in the repository")
    add_repository(start)
    start.add_argument("--url", help="the server's gRPC address; TUFT_URL, else localhost:8001 by default")
    start.add_argument("--detach", action="store_true", help="do not watch; run `tuft rollout watch` somewhere else")
    for guard in fields(Guards):
        kind = int if guard.name == "min_requests" else float
        start.add_argument(f"--{guard.name.replace('_', '-')}", type=kind, metavar="N", dest=guard.name,
                           default=guard.default, help=f"{_GUARDS[guard.name]}; %(default)s by default")  # fmt: skip
    watch = add_command(actions, "watch", _watch, "withdraw the new version as soon as a guard rail trips")
    show = add_command(actions, "status", _status, "tell shares, figures, and what would trip")
    promote = add_command(
        actions, "promote", _promote, "give the new version its next share; at last unload the old one"
    )
    promote.add_argument("--all", action="store_true", help="give it all requests now")
    abort = add_command(actions, "abort", _abort, "give all requests back to the old version")
    for action in (start, watch):
        action.add_argument(
            "--every",
            type=float,
            default=math.inf,
            metavar="MINUTES",
            help="promote by itself after so long in each step",
        )
    for action in (start, watch, show, promote, abort):
        action.add_argument(
            "--state", type=Path, required=True, metavar="DIR", help="the folder that all clients share"
        )
    for action in (start, watch, promote, abort):
        action.add_argument("--key", default="", help="opens the server's model control; TUFT_KEY by default")


def _conductor(arguments: argparse.Namespace) -> Conductor:
    return Conductor(arguments.state, arguments.key or os.environ.get("TUFT_KEY", ""))


def _start(arguments: argparse.Namespace) -> int:
    guards = Guards(**{name: getattr(arguments, name) for name in _GUARDS})
    url = arguments.url or load_settings().url
    plan = _conductor(arguments).start(arguments.repository, arguments.model, arguments.version, url, guards)
    print(sentence(plan), flush=True)
    return DONE if arguments.detach else _watch(arguments)


def _watch(arguments: argparse.Namespace) -> int:
    return _told(
        _conductor(arguments).watch(every_s=60 * arguments.every, told=lambda plan: print(sentence(plan), flush=True))
    )


def _status(arguments: argparse.Namespace) -> int:
    plan, verdicts = Conductor(arguments.state, "").standing()
    print(status(arguments.state, plan, verdicts))
    return DONE


def _promote(arguments: argparse.Namespace) -> int:
    plan = _conductor(arguments).promote(all_at_once=arguments.all)
    print(sentence(plan))
    return _told(plan)


def _abort(arguments: argparse.Namespace) -> int:
    plan = _conductor(arguments).abort()
    print(f"{sentence(plan)}\n{warning(plan)}")
    return DONE


def _told(plan: Plan) -> int:
    """Failed, and what is to be done, if the version was withdrawn."""
    if plan.phase == "withdrawn":
        print(warning(plan))
    return FAILED if plan.phase == "withdrawn" else DONE
