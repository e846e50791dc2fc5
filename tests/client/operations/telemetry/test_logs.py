"""One line of JSON for each request, without customer data."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuft.errors import OptionError
from tuft.inference.observers import Observers, RequestEvent
from tuft.operations.telemetry import JsonFormatter, RequestLog, log_to
from tuft.operations.telemetry.logs import fields

MakeEvent = Callable[..., RequestEvent]
DOCUMENTATION = Path(__file__).parents[4] / "docs" / "monitoring.md"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    logger = logging.getLogger("tuft")
    handlers, level = list(logger.handlers), logger.level
    yield
    for handler in set(logger.handlers) - set(handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tuft.log"
    log_to(str(path))
    return path


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_request_is_one_line_with_its_id(file: Path, make_event: MakeEvent) -> None:
    RequestLog().request_finished(make_event(cache="miss", quality_score=0.9, variant="b"))
    (line,) = lines(file)
    assert (line["request_id"], line["outcome"], line["level"], line["logger"]) == (
        "4f2a",
        "ok",
        "info",
        "tuft.requests",
    )
    assert line["stage_ms"]["network"] == 160.0
    assert line["size_hw"] == [3000, 4000]
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize(
    "changes", [{"outcome": "ServerBusyError", "served": None}, {"fallback_cause": "ServerBusyError"}]
)
def test_what_did_not_go_as_asked_is_a_warning(file: Path, make_event: MakeEvent, changes: dict[str, Any]) -> None:
    RequestLog().request_finished(make_event(**changes))
    assert lines(file)[0]["level"] == "warning"


def test_pixels_and_customers_are_not_in_it(file: Path, make_event: MakeEvent) -> None:
    event = make_event(unit="customer-17", alpha=np.full((2, 3), 137, np.uint8))
    RequestLog().request_finished(event)
    assert "customer" not in file.read_text()
    assert not {"alpha", "unit"} & set(lines(file)[0])
    assert len(file.read_text()) < 1_000, "no array has been written out"


def test_a_line_is_a_line_whatever_a_message_holds(file: Path, make_event: MakeEvent) -> None:
    reason = 'a\nb\r\n{"level": "error"}\u2028 \x00 ü'
    RequestLog().request_finished(make_event(fallback_reason=reason, fallback_cause="ServerBusyError"))
    assert lines(file)[0]["fallback_reason"] == reason


def test_numbers_that_json_has_not_become_null(make_event: MakeEvent) -> None:
    record = logging.LogRecord("tuft", logging.INFO, "", 0, "m", (), None)
    record.tuft = {"quality_score": float("nan"), "stage_ms": {"network": float("inf")}}
    assert json.loads(JsonFormatter().format(record))["stage_ms"] == {"network": None}


def test_other_messages_of_tuft_come_as_lines_as_well(file: Path) -> None:
    class Broken(RequestLog):
        def request_started(self, request_id: str, requested: str) -> None:
            raise RuntimeError("two\nlines")

    Observers([Broken()]).request_started("4f2a", "high")
    (line,) = lines(file)
    assert line["logger"] == "tuft.observing"
    assert "two\nlines" in line["exception"]


def test_the_same_place_is_written_once(file: Path, tmp_path: Path, make_event: MakeEvent) -> None:
    log_to(str(file))
    log_to(str(tmp_path / "other.log"))
    RequestLog().request_finished(make_event())
    assert len(lines(file)) == len(lines(tmp_path / "other.log")) == 1


def test_a_file_that_was_rotated_is_opened_anew(file: Path, make_event: MakeEvent) -> None:
    RequestLog().request_finished(make_event())
    file.rename(file.with_suffix(".1"))
    RequestLog().request_finished(make_event())
    assert len(lines(file)) == 1


def test_standard_error_is_a_place(capsys: pytest.CaptureFixture[str], make_event: MakeEvent) -> None:
    log_to("stderr")
    RequestLog().request_finished(make_event())
    assert json.loads(capsys.readouterr().err)["outcome"] == "ok"


def test_a_place_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="set TUFT_LOG to"):
        log_to(str(tmp_path / "no" / "folder.log"))


def test_every_field_is_documented(make_event: MakeEvent) -> None:
    everything = make_event(fallback_reason="r", fallback_cause="c", quality_score=1.0, variant="b")
    cells = re.findall(r"^\| (`[^|]+) \|", DOCUMENTATION.read_text(), re.MULTILINE)
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert {"time", "level", "logger", "message", "exception", *fields(everything)} <= documented
