"""`tuft experiment`, from the file of an experiment to its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.experiments import event

from tuft.cli.main import main
from tuft.operations.experiments import Experiment, Recorder, read_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

FILE = """
name = "sharper"
control = "today"
planned_units = 40
[variants.today]
[variants.larger]
preset = "high"
[forced]
me = "larger"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "experiment.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def serve(file: Path, tmp_path: Path) -> Callable[[Iterable[object]], None]:
    """Records one request of each unit."""
    recorder = Recorder(Experiment.from_toml(file), tmp_path / "log")

    def serve_each(units: Iterable[object]) -> None:
        for unit in map(str, units):
            recorder.request_finished(event(f"{unit}-request", unit, variant=recorder.assign(unit).name))

    return serve_each


def test_report(serve: Callable[[Iterable[object]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    serve(range(60))
    page = tmp_path / "report.html"
    assert main(["experiment", "report", str(tmp_path / "log"), "--html", str(page)]) == 0
    out = capsys.readouterr().out
    assert "60 units, 40 were planned" in out
    assert f"The page with plots is {page}" in out
    assert "<svg" in page.read_text()


def test_assign(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "assign", str(file), "me", "you"]) == 0
    expected = Experiment.from_toml(file).assign("you").name
    assert capsys.readouterr().out == f"me\tlarger (forced)\nyou\t{expected}\n"


def test_rate(file: Path, serve: Callable[[Iterable[object]], None], tmp_path: Path) -> None:
    serve(["you"])
    assert main(["experiment", "rate", str(file), str(tmp_path / "log"), "you-request", "4"]) == 0
    ratings = [arm.rating for arm in read_log([tmp_path / "log"]).arms.values() if arm.units]
    assert [list(one) for one in ratings] == [[4.0]]


def test_a_single_rating_is_in_the_report(
    file: Path, serve: Callable[[Iterable[object]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve([*range(60), "me"])
    assert main(["experiment", "rate", str(file), str(tmp_path / "log"), "7-request", "4"]) == 0
    assert main(["experiment", "report", str(tmp_path / "log")]) == 0
    out = capsys.readouterr().out
    header, *rows = (line for line in out.splitlines() if line.startswith(("variant", "today ", "larger ")))
    assert header.split()[-1] == "rating"
    variant = Experiment.from_toml(file).assign("7").name
    assert {row.split()[0]: row.split()[-1] for row in rows}[variant] == "4.00"
    assert out.endswith("1 unit had a forced variant and is excluded.\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["report", "none.jsonl"], "cannot be read"),
        (["assign", "none.toml", "you"], "cannot be read"),
        (["rate", "{file}", "{folder}", "you-request", "9"], "from 1 to 5"),
        (["rate", "{file}", "{folder}", "nobody", "4"], "No request 'nobody' of the experiment sharper is recorded in"),
        (["rate", "{file}", "{folder}/none", "you-request", "4"], "/none: give the id"),
    ],
)
def test_failures_are_one_line(
    file: Path,
    serve: Callable[[Iterable[object]], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    serve(["you"])
    filled = [one.format(file=file, folder=tmp_path / "log") for one in arguments]
    assert main(["experiment", *filled]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "log" / "none").exists()
    assert '"rating"' not in "".join(path.read_text() for path in (tmp_path / "log").iterdir())


def test_forced_by_the_file(file: Path, tmp_path: Path) -> None:
    assert Recorder(Experiment.from_toml(file), tmp_path / "log").assign("me").forced
