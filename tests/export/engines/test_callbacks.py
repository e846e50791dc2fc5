"""The callbacks, derived from the real bindings' classes, and called from TensorRT's own side."""

from __future__ import annotations

import inspect
import io
import threading
from typing import Any

import pytest
from support.bindings_api import api_of

from tuft_export.engines.builder import _builder
from tuft_export.engines.callbacks import file_logger, progress_monitor
from tuft_export.errors import EngineError


def test_messages_are_written_and_errors_kept(bindings: Any) -> None:
    log, severity = io.StringIO(), bindings.ILogger.Severity
    logger = file_logger(bindings, log)
    logger.log(severity.VERBOSE, "every detail")
    logger.log(severity.INFO, "building")
    logger.log(severity.ERROR, "no memory\nfor  that")
    logger.log(severity.INTERNAL_ERROR, "assertion")
    assert [line.split() for line in log.getvalue().splitlines()] == [
        ["INFO", "building"], ["ERROR", "no", "memory"], ["for", "that"], ["INTERNAL_ERROR", "assertion"],
    ]  # fmt: skip
    assert logger.errors == ["no memory for that", "assertion"]


def test_the_library_can_call_the_logger(bindings: Any) -> None:
    """From C, through the table of virtual functions, as TensorRT does; it gives no builder here, and says why."""
    if not bindings.__version__.startswith("11.4."):
        pytest.skip("the stub knows the logger's layout of TensorRT 11.4")
    log = io.StringIO()
    with pytest.raises(EngineError, match=r"does not start \(CUDA initialization failure with error: 35\)"):
        _builder(bindings, file_logger(bindings, log))
    assert log.getvalue() == "ERROR          CUDA initialization failure\nwith error: 35\n"


@pytest.mark.parametrize("cls", ["ILogger", "IProgressMonitor"])
def test_every_callback_is_overridden_with_its_arguments(cls: str, bindings: Any) -> None:
    made = (
        file_logger(bindings, io.StringIO()) if cls == "ILogger" else progress_monitor(bindings, bool, progress=False)
    )
    assert isinstance(made, getattr(bindings, cls))
    api = api_of(bindings)[cls]
    methods = {name: overloads for name, overloads in api.items() if overloads and name != "__init__"}
    assert methods
    for name, overloads in methods.items():
        assert name in vars(type(made))
        assert list(inspect.signature(getattr(made, name)).parameters) == overloads[0]["parameters"]


def test_bars_follow_the_phases(bindings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = progress_monitor(bindings, lambda: False, progress=True)
    monitor.phase_start("Building Engine", None, 1)
    monitor.phase_start("Tactics", "Building Engine", 4)
    assert all(monitor.step_complete("Tactics", step) for step in (0, 3))
    monitor.phase_finish("Tactics")
    monitor.phase_finish("Building Engine")
    shown = capsys.readouterr().err
    assert "Building Engine" in shown
    assert "Tactics" in shown


def test_bars_can_be_left_out(bindings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = progress_monitor(bindings, lambda: False, progress=False)
    monitor.phase_start("Tactics", None, 4)
    assert monitor.step_complete("Tactics", 0)
    monitor.phase_finish("Tactics")
    assert capsys.readouterr().err == ""


def test_a_stop_is_answered_at_the_next_step(bindings: Any) -> None:
    stop = threading.Event()
    monitor = progress_monitor(bindings, stop.is_set, progress=False)
    monitor.phase_start("Tactics", None, 4)
    assert monitor.step_complete("Tactics", 0)
    stop.set()
    assert not monitor.step_complete("Tactics", 1)
    monitor.phase_finish("Tactics")


def test_phases_that_were_never_started_do_no_harm(bindings: Any) -> None:
    monitor = progress_monitor(bindings, lambda: False, progress=False)
    assert monitor.step_complete("unknown", 0)
    monitor.phase_finish("unknown")
