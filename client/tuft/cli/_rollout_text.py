"""Where a rollout stands, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuft.operations.rollout.outcomes import Outcomes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuft.operations.rollout.guardrails import Verdict
    from tuft.operations.rollout.state import Plan

_TOLD: Final = {None: "too few", False: "holds", True: "tripped"}


def sentence(plan: Plan) -> str:
    """One line: which version is given how much."""
    if plan.phase == "finished":
        return f"{plan.model}: version {plan.new} serves all requests; version {plan.old} is unloaded."
    if plan.phase == "withdrawn":
        return f"{plan.model}: version {plan.new} is withdrawn, version {plan.old} serves. {plan.reason}"
    return f"{plan.model}: version {plan.new} is given {plan.share:.0%} of the requests, version {plan.old} the rest."


def status(folder: Path, plan: Plan, verdicts: Sequence[Verdict]) -> str:
    """The sentence, the counts of this step, and a row for each guard rail."""
    old, new = Outcomes(folder).samples(plan)
    counts = f"Latest requests in step {plan.step}: {len(new)} of version {plan.new}, {len(old)} of version {plan.old}."
    rows = [["guard rail", f"version {plan.old}", f"version {plan.new}", "trips at", ""]]
    rows += [[one.figure, one.old, one.new, one.limit, _TOLD[one.tripped]] for one in verdicts]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join([sentence(plan), counts, "", *table])


def warning(plan: Plan) -> str:
    """What a person has to do after a withdrawal."""
    return (
        f"Delete {plan.model}/{plan.new} from the model repository before the server is started again: "
        "it loads the highest version that it finds."
    )
