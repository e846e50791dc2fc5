"""A new version of a model, given to a growing share of the requests and withdrawn by itself when it does worse."""

from tuft.rollout.guards import Guards, Verdict, judge
from tuft.rollout.outcomes import Outcomes, Sample
from tuft.rollout.plan import STEPS, Plan, read_plan
from tuft.rollout.steps import Conductor
from tuft.rollout.taking_part import Rollout, Turn

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
