"""Grouping of recorded requests by variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.experiments import event

from tuft.errors import OptionError
from tuft.operations.experiments import HOLDOUT, Experiment, Recorder, Variant, read_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_request_is_counted_for_its_unit(
    experiment: Experiment, serve: Callable[..., None], tmp_path: Path
) -> None:
    units = [str(number) for number in range(40)]
    serve(units, total_ms=50.0)
    serve(units[:10], outcome="ServerTimeoutError", quality_score=None)
    log = read_log([tmp_path / "log"])
    assert list(log.arms) == ["today", "larger"]
    assert log.control == "today"
    assert log.planned_units == 40
    assert log.units == 40
    assert log.expected_units == {"today": 20, "larger": 20}
    for name, arm in log.arms.items():
        mine = [unit for unit in units if experiment.assign(unit).name == name]
        failed = [unit for unit in mine if unit in units[:10]]
        assert (arm.units, len(arm.unit), arm.failed.sum()) == (len(mine), len(mine) + len(failed), len(failed))
        assert (np.isnan(arm.total_ms) == (arm.failed > 0)).all()
        assert np.nanmax(arm.total_ms) == 50
        assert np.isnan(arm.quality).sum() == len(failed)
        assert arm.unanswered == 0


def test_a_later_rating_counts(recorder: Recorder, serve: Callable[..., None], tmp_path: Path) -> None:
    serve(["a", "b"])
    for rating in (2, 5):
        recorder.rate("a-request", rating)
    recorder.rate("unknown", 1)
    ratings = np.concatenate([arm.rating for arm in read_log([tmp_path / "log"]).arms.values()])
    assert np.nansum(ratings) == 5
    assert np.isnan(ratings).sum() == 1


def test_forced_units_prove_nothing(serve: Callable[..., None], tmp_path: Path) -> None:
    serve(["me", "you"])
    log = read_log([tmp_path / "log"])
    assert (log.units, log.forced_units) == (1, 1)


def test_units_of_two_variants_prove_nothing(tmp_path: Path) -> None:
    """Weights have changed, and some units have moved."""
    for weight in (1, 100):
        experiment = Experiment("a", (Variant("x"), Variant("y", weight=weight)), control="x", planned_units=50)
        recorder = Recorder(experiment, tmp_path)
        for unit in range(50):
            recorder.assign(str(unit))
    log = read_log([tmp_path])
    assert log.mixed_units + log.units == 50
    assert log.arms["x"].units <= 5
    assert log.definitions == 2


def test_the_holdout_is_the_last_arm(tmp_path: Path) -> None:
    experiment = Experiment("a", (Variant("y"), Variant("x")), control="x", planned_units=50, holdout=0.5)
    recorder = Recorder(experiment, tmp_path)
    for unit in range(50):
        recorder.assign(str(unit))
    log = read_log([tmp_path])
    assert list(log.arms) == ["x", "y", HOLDOUT]
    assert [arm.name for arm in log.variants] == ["x", "y"]
    assert log.units == 50 - log.arms[HOLDOUT].units


def test_a_request_that_died_is_missed(recorder: Recorder, tmp_path: Path) -> None:
    for unit in ("a", "b", "c"):
        recorder.assign(unit)
    recorder.request_finished(event("r", "a"))
    assert sum(arm.unanswered for arm in read_log([tmp_path / "log"]).arms.values()) == 2


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", '{"kind": "outcome"}', '{"kind": "other", "experiment": "a"}', "\xff"]
)
def test_lines_of_others_are_left_out(serve: Callable[..., None], tmp_path: Path, line: str) -> None:
    serve(["a"])
    (file,) = (tmp_path / "log").iterdir()
    with file.open("ab") as appended:
        appended.write(line.encode("latin-1") + b"\n")
    log = read_log([file])
    assert (log.units, log.unreadable_lines) == (1, 1)


def test_what_cannot_be_read_is_told(serve: Callable[..., None], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be read"):
        read_log([tmp_path / "none"])
    with pytest.raises(OptionError, match="Nothing was recorded"):
        read_log([tmp_path])
    serve(["a"])
    Recorder(Experiment("b", (Variant("x"), Variant("y")), "x", 10), tmp_path / "log").assign("a")
    with pytest.raises(OptionError, match=r"2 experiments \(b, sharper\)"):
        read_log([tmp_path / "log"])
