"""Lines that many processes append, and that a crash may cut off."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.experiments import event

import tuft
from tuft.errors import OptionError, OutputError
from tuft.operations.experiments import Experiment, Recorder, read_log
from tuft.operations.experiments import recorder as recorder_module

if TYPE_CHECKING:
    from collections.abc import Callable


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.iterdir()) for line in file.read_text().splitlines() if line]


def test_a_request_leaves_an_exposure_and_an_outcome(recorder: Recorder, tmp_path: Path) -> None:
    assigned = recorder.assign("customer-1")
    recorder.request_finished(event("r1", "customer-1", variant=assigned.name, total_ms=12.3456, outcome="ServerError"))
    exposure, outcome = lines(tmp_path / "log")
    assert exposure["kind"] == "exposure"
    assert outcome["kind"] == "outcome"
    assert exposure["variant"] == outcome["variant"] == assigned.name
    assert exposure["unit"] == outcome["unit"]
    assert exposure["shares"] == {"today": 0.5, "larger": 0.5}
    assert (outcome["request_id"], outcome["total_ms"], outcome["outcome"]) == ("r1", 12.346, "ServerError")
    assert abs(datetime.fromisoformat(outcome["at"].replace("Z", "+00:00")) - datetime.now(timezone.utc)).seconds < 60


def test_customers_are_not_named(recorder: Recorder, tmp_path: Path) -> None:
    recorder.assign("customer-1")
    assert "customer-1" not in "".join(file.read_text() for file in (tmp_path / "log").iterdir())
    assert recorder_module.hashed_unit("a", "customer-1") != recorder_module.hashed_unit("b", "customer-1")


def test_requests_without_a_unit_leave_nothing(recorder: Recorder, tmp_path: Path) -> None:
    recorder.request_finished(event("r1", None))
    assert lines(tmp_path / "log") == []


def test_each_day_has_its_file(
    recorder: Recorder, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (1, 2):

        class Clock(datetime):
            at = datetime(2025, 3, day, 23, 59, tzinfo=timezone.utc)

            @classmethod
            def now(cls, tz: object = None) -> datetime:
                return cls.at

        monkeypatch.setattr(recorder_module, "datetime", Clock)
        recorder.assign("customer-1")
    names = [file.name for file in sorted((tmp_path / "log").iterdir())]
    assert names == ["sharper.2025-03-01.jsonl", "sharper.2025-03-02.jsonl"]
    assert read_log([tmp_path / "log"]).units == 1


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from tuft.operations.experiments import Experiment, Recorder, Variant
recorder = Recorder(Experiment("a", (Variant("x"), Variant("y")), "x", 10), sys.argv[2])
for number in range(400):
    recorder.assign(f"{sys.argv[3]}-{number}")
"""


def test_several_processes_write_to_one_folder(tmp_path: Path) -> None:
    root = str(Path(tuft.__file__).parents[1])
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, root, str(tmp_path), str(n)]) for n in range(3)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    units = Counter(line["unit"] for line in lines(tmp_path))
    assert len(units) == 1200
    assert set(units.values()) == {1}


def test_several_threads_write_to_one_file(recorder: Recorder, tmp_path: Path) -> None:
    threads = [
        threading.Thread(target=lambda n=n: [recorder.assign(f"{n}-{i}") for i in range(100)])  # type: ignore[misc]
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({line["unit"] for line in lines(tmp_path / "log")}) == 400


def test_a_torn_last_line_is_left_out_and_harms_no_other(
    recorder: Recorder, serve: Callable[..., None], tmp_path: Path
) -> None:
    serve(range(5))
    (file,) = (tmp_path / "log").iterdir()
    whole = file.read_bytes()
    for cut in (1, 20, 200):
        file.write_bytes(whole[:-cut])
        assert read_log([file]).unreadable_lines == (0 if cut == 1 else 1)
        serve(["after"])
        log = read_log([file])
        assert log.units == 6
        assert sum(len(arm.unit) for arm in log.arms.values()) == (6 if cut == 1 else 5)
        assert log.unreadable_lines == (0 if cut == 1 else 1)


def test_nobody_goes_unserved_because_the_disk_is_gone(
    recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "log").rmdir()
    assert recorder.assign("customer-1").variant is not None
    assert "An exposure is missing" in caplog.text
    with pytest.raises(OutputError, match="check its folder"):
        recorder.request_finished(event("r1", "customer-1"))


def test_a_folder_that_cannot_be_made_is_told(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        Recorder(experiment, tmp_path / "file" / "log")


@pytest.mark.parametrize("rating", [0, 6, -1])
def test_ratings_have_a_range(recorder: Recorder, rating: int) -> None:
    with pytest.raises(OptionError, match="from 1 to 5"):
        recorder.rate("r1", rating)
