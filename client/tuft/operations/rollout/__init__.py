"""Rollout of a new version of a model: it gets a growing share of the requests, and is withdrawn when it does worse."""

from tuft.operations.rollout.controller import RolloutController
from tuft.operations.rollout.guardrails import Verdict, evaluate_guardrails
from tuft.operations.rollout.outcomes import Outcomes, Sample
from tuft.operations.rollout.runner import RolledOutRunner, Rollout, VersionAssignment
from tuft.operations.rollout.state import STEPS, Cluster, Guards, Plan, read_plan

__all__ = [
    "STEPS",
    "Cluster",
    "Guards",
    "Outcomes",
    "Plan",
    "RolledOutRunner",
    "Rollout",
    "RolloutController",
    "Sample",
    "Verdict",
    "VersionAssignment",
    "evaluate_guardrails",
    "read_plan",
]
