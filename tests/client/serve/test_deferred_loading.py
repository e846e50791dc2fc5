"""Deferred models are loaded one at a time, while the server is idle."""

from __future__ import annotations

import builtins
import threading
import time
from typing import Any

import pytest
from support.calling import wait_until

from tuft.errors import ServerTimeoutError, ServerUnreachableError, SetupError
from tuft.serve import deferred_loading
from tuft.serve.deferred_loading import loading_in_background

MODELS = ("inspyrenet_384", "inspyrenet_1536", "inspyrenet_2048")


class FakeProcess:
    """A server that records the models it loads, and uses two cores while it is busy."""

    def __init__(self, failures: dict[str, Exception] | None = None) -> None:
        self.failures = failures or {}
        self.asked: list[str] = []
        self.busy = threading.Event()
        self.terminating = False
        self.at_once = 0
        self._computed_s, self._looked_s = 0.0, time.monotonic()

    def processor_s(self) -> float:
        before_s, self._looked_s = self._looked_s, time.monotonic()
        self._computed_s += 2 * (self._looked_s - before_s) * self.busy.is_set()
        return self._computed_s

    def load(self, model: str, _timeout_s: float) -> None:
        self.at_once += 1
        assert self.at_once == 1
        self.asked.append(model)
        time.sleep(0.02)
        self.at_once -= 1
        if model in self.failures:
            raise self.failures[model]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"QUIET_S": 0.1, "POLL_INTERVAL_S": 0.02, "MAX_WAIT_S": 60.0}.items():
        monkeypatch.setattr(deferred_loading, name, value)


def loaded(process: FakeProcess, count: int = len(MODELS)) -> bool:
    return len(process.asked) == count and process.at_once == 0


def test_each_is_loaded_and_told_in_its_turn(capsys: pytest.CaptureFixture[str]) -> None:
    process: Any = FakeProcess()
    with loading_in_background(process, MODELS, 1.0) as loading:
        wait_until(lambda: loaded(process) and loading.model is None)
    assert tuple(process.asked) == MODELS
    assert capsys.readouterr().out.splitlines() == [f"{model} is ready." for model in MODELS]


def test_a_server_that_answers_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    process: Any = FakeProcess()
    process.busy.set()
    with loading_in_background(process, MODELS[:1], 1.0):
        time.sleep(0.5)  # five times QUIET_S
        assert process.asked == []
        process.busy.clear()
        wait_until(lambda: loaded(process, 1))


def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred_loading, "MAX_WAIT_S", 0.3)
    process: Any = FakeProcess()
    process.busy.set()
    began_s = time.monotonic()
    with loading_in_background(process, MODELS[:1], 1.0):
        wait_until(lambda: loaded(process, 1))
    assert time.monotonic() - began_s >= 0.3


@pytest.mark.parametrize("failure", [SetupError("The graph is broken."), ServerTimeoutError("It takes for ever.")])
def test_one_that_fails_is_told_once_and_the_others_follow(
    capsys: pytest.CaptureFixture[str], failure: Exception
) -> None:
    process: Any = FakeProcess({MODELS[1]: failure})
    with loading_in_background(process, MODELS, 1.0) as loading:
        wait_until(lambda: loaded(process) and loading.model is None)
    assert capsys.readouterr().out.splitlines() == [
        f"{MODELS[0]} is ready.", str(failure), f"{MODELS[2]} is ready."
    ]  # fmt: skip


def test_a_server_that_has_ended_is_somebody_elses_news(capsys: pytest.CaptureFixture[str]) -> None:
    process: Any = FakeProcess({MODELS[0]: ServerUnreachableError("It has ended.")})
    with loading_in_background(process, MODELS, 1.0) as loading:
        wait_until(lambda: loaded(process, 1))
        time.sleep(0.3)
        assert loading.model == MODELS[0]  # `serve` leaves it out when it restarts the server
    assert process.asked == [MODELS[0]]
    assert capsys.readouterr().out == ""


def test_nothing_is_begun_after_the_end() -> None:
    process: Any = FakeProcess()
    with loading_in_background(process, MODELS, 1.0):
        pass
    time.sleep(0.3)
    assert process.asked == []


def test_a_server_that_finishes_its_work_begins_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    process: Any = FakeProcess()
    load = process.load

    def load_and_be_told_to_end(model: str, timeout_s: float) -> None:
        load(model, timeout_s)
        process.terminating = True

    process.load = load_and_be_told_to_end
    with loading_in_background(process, MODELS, 1.0):
        wait_until(lambda: process.terminating)
        time.sleep(0.3)
    assert process.asked == [MODELS[0]]
    assert capsys.readouterr().out == ""


def test_nobody_has_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_reads(*_: Any, **__: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(builtins, "print", nobody_reads)
    process: Any = FakeProcess()
    with loading_in_background(process, MODELS, 1.0):
        wait_until(lambda: loaded(process))
