"""The plan: assignment of the new version, and the file that clients share."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from tuft.errors import OptionError
from tuft.operations.rollout import STEPS, Guards, Plan, read_plan
from tuft.operations.rollout.state import write_plan

UNITS = [f"customer-{i}" for i in range(20_000)]


def given(plan: Plan) -> set[str]:
    return {unit for unit in UNITS if plan.gives_new(unit)}


def test_each_step_keeps_whom_it_has_and_adds_its_share(plan: Plan) -> None:
    groups = [given(replace(plan, step=step)) for step in range(len(STEPS))]
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(groups))
    for group, share in zip(groups, STEPS, strict=True):
        assert len(group) / len(UNITS) == pytest.approx(share, abs=0.01)
    assert (len(groups[0]), len(groups[-1])) == (0, len(UNITS))


def test_nobody_has_it_after_a_withdrawal_and_the_next_rollout_draws_anew(plan: Plan) -> None:
    assert not given(replace(plan, phase="withdrawn"))
    assert given(replace(plan, phase="finished", step=4)) == set(UNITS)
    both = len(given(plan) & given(replace(plan, name="the next")))
    assert both / len(UNITS) == pytest.approx(0.25, abs=0.02)


def test_what_is_written_is_read(tmp_path: Path, plan: Plan) -> None:
    assert read_plan(tmp_path) is None
    other = replace(plan, phase="withdrawn", reason="It was “blank”.", guards=Guards(errors=0.5))
    write_plan(tmp_path, plan)
    write_plan(tmp_path, other)
    assert read_plan(tmp_path) == other
    assert [path.name for path in tmp_path.iterdir()] == ["rollout.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"guards": {"errors": 0}}', "null"])
def test_a_file_that_holds_no_plan(tmp_path: Path, text: str) -> None:
    (tmp_path / "rollout.json").write_text(text)
    with pytest.raises(OptionError):
        read_plan(tmp_path)
