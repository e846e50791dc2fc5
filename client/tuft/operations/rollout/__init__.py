"""A new version of a model, given to a growing share of the requests and withdrawn by itself when it does worse."""

from tuft.operations.rollout.controller import Conductor
from tuft.operations.rollout.guardrails import Guards, Verdict, judge
from tuft.operations.rollout.outcomes import Outcomes, Sample
from tuft.operations.rollout.runner import Rollout, Turn
from tuft.operations.rollout.state import STEPS, Plan, read_plan

__all__ = [
    "STEPS",
    "Conductor",
    "Guards",
    "Outcomes",
    "Plan",
    "Rollout",
    "Sample",
    "Turn",
    "Verdict",
    "judge",
    "read_plan",
]
