"""A client in a rollout: the version that each request is given, and the way back to the old one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuft import CallOptions, Client, FakeTransport, Inference, ResultCache, Settings
from tuft.errors import (
    InferenceError,
    ModelUnavailableError,
    NoSubjectError,
    ServerError,
    ServerOutOfMemoryError,
    ServerTimeoutError,
)
from tuft.operations.rollout import Outcomes, Plan, Rollout
from tuft.operations.rollout.state import write_plan

MODEL = "inspyrenet_1024"


def key_of(plan: Plan, *, new: bool) -> str:
    """A unit that is given the new version, or the old one."""
    return next(unit for unit in map(str, range(10_000)) if plan.gives_new(unit) == new)


class Versioned(FakeTransport):
    """Fails, or answers blank, for some versions."""

    def __init__(self, bad: dict[str, Callable[[], Any]]) -> None:
        super().__init__()
        self.bad = bad
        self.asked: list[tuple[str, str]] = []

    def infer(
        self, model: str, image: np.ndarray, *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        assert options is not None
        self.asked.append((model, options.version))
        answered = super().infer(model, image, timeout_s=timeout_s, options=options)
        if model == MODEL and options.version in self.bad:
            self.bad[options.version]()
            return replace(answered, saliency=np.zeros_like(answered.saliency))
        return answered


def raising(error: Exception) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


def client_of(folder: Path, bad: dict[str, Callable[[], Any]] | None = None, **settings: Any) -> Client:
    return Client(
        settings=Settings(**{"retries": 0, **settings}),
        transport=Versioned(bad or {}),
        rollout=Rollout(folder, refresh_interval_s=0),
    )


def asked(client: Client) -> list[tuple[str, str]]:
    assert isinstance(client.transport, Versioned)
    return client.transport.asked


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


@pytest.fixture
def photo(scene: Any) -> np.ndarray:
    return np.asarray(scene.rgb)


@pytest.mark.parametrize(("new", "version"), [(True, "2"), (False, "1")])
def test_each_unit_is_given_its_version_and_that_is_written_down(
    folder: Path, plan: Plan, photo: np.ndarray, new: bool, version: str
) -> None:
    client = client_of(folder)
    cutout = client.remove(photo, unit=key_of(plan, new=new))
    assert (cutout.model_version, asked(client)) == (version, [(MODEL, version)])
    (line,) = lines(folder)
    assert line["version"] == version
    assert line["subject"] == pytest.approx(cutout.alpha.mean() / 255, abs=1e-4)
    assert line["ms"] > 0
    old, fresh = Outcomes(folder).samples(plan)
    assert (len(old), len(fresh)) == ((0, 1) if new else (1, 0))


def test_without_a_unit_requests_are_drawn_singly(folder: Path, photo: np.ndarray) -> None:
    client = client_of(folder)
    for _ in range(40):
        client.remove(photo, refine="none")
    assert {version for _, version in asked(client)} == {"1", "2"}


@pytest.mark.parametrize(
    "failure",
    [InferenceError("It failed: look."), ServerTimeoutError("Late."), ServerOutOfMemoryError("No room."),
     ModelUnavailableError("Gone.")],
    ids=lambda failure: type(failure).__name__,
)  # fmt: skip
def test_what_the_new_version_fails_the_old_one_answers_at_the_preset_asked_for(
    folder: Path, plan: Plan, photo: np.ndarray, failure: ServerError
) -> None:
    client = client_of(folder, {"2": raising(failure)})
    cutout = client.remove(photo, unit=key_of(plan, new=True))
    assert (cutout.model_version, cutout.preset, cutout.fallback_reason) == ("1", "standard", None)
    assert asked(client) == [(MODEL, "2"), (MODEL, "1")]
    old, new = Outcomes(folder).samples(plan)
    assert (old.failed.tolist(), new.failed.tolist()) == ([0.0], [1.0])


def test_a_blank_matte_is_the_new_versions_failure_if_the_old_one_finds_a_subject(
    folder: Path, plan: Plan, photo: np.ndarray
) -> None:
    client = client_of(folder, {"2": lambda: None})
    assert client.remove(photo, unit=key_of(plan, new=True)).model_version == "1"
    assert Outcomes(folder).samples(plan)[1].failed.tolist() == [1.0]


def test_a_picture_without_a_subject_is_nobodys_failure(folder: Path, plan: Plan, photo: np.ndarray) -> None:
    client = client_of(folder, {"1": lambda: None, "2": lambda: None})
    for new in (True, False):
        with pytest.raises(NoSubjectError):
            client.remove(photo, unit=key_of(plan, new=new))
    assert not lines(folder)


def test_what_both_fail_counts_against_the_old_one_alone(folder: Path, plan: Plan, photo: np.ndarray) -> None:
    failure = raising(InferenceError("It failed: look."))
    client = client_of(folder, {"1": failure, "2": failure})
    with pytest.raises(InferenceError):
        client.remove(photo, unit=key_of(plan, new=True))
    assert [(line["version"], line["ms"]) for line in lines(folder)] == [("1", None)]


def test_the_new_version_may_not_use_up_the_time_of_the_old_one(folder: Path, plan: Plan, photo: np.ndarray) -> None:
    given: list[float] = []

    class Slow(Versioned):
        def infer(
            self, model: str, image: np.ndarray, *, timeout_s: float, options: CallOptions | None = None
        ) -> Inference:
            given.append(timeout_s)
            if len(given) == 1:
                time.sleep(timeout_s)
                raise ServerTimeoutError("Late.")
            return super().infer(model, image, timeout_s=timeout_s, options=options)

    client = Client(settings=Settings(timeout_s=1), transport=Slow({}), rollout=Rollout(folder))
    client.remove(photo, unit=key_of(plan, new=True))
    assert given[0] <= 0.5
    assert 0.2 < given[1] <= 0.5


def test_a_version_that_is_gone_leaves_it_to_the_server(folder: Path, plan: Plan, photo: np.ndarray) -> None:
    client = client_of(folder, {"1": raising(ModelUnavailableError("Gone."))})
    client.remove(photo, unit=key_of(plan, new=False))
    assert asked(client) == [(MODEL, "1"), (MODEL, "")]


def test_a_smaller_preset_that_serves_instead_asks_the_old_version(folder: Path, plan: Plan, photo: np.ndarray) -> None:
    client = client_of(folder)
    client.transport.failures.append(ServerOutOfMemoryError("No room."))  # type: ignore[attr-defined]
    large = np.repeat(np.repeat(photo, 20, axis=0), 20, axis=1)
    assert client.remove(large, "high", unit=key_of(plan, new=True)).preset == "standard"
    assert asked(client) == [("inspyrenet_1536", ""), (MODEL, "1")]
    assert not lines(folder)  # it is not what the preset asked for would have said


@pytest.mark.parametrize("options", [{"size": 384}, {"version": "7"}])
def test_other_models_and_versions_that_are_named_take_no_part(
    folder: Path, plan: Plan, photo: np.ndarray, options: dict[str, Any]
) -> None:
    client = client_of(folder)
    client.remove(photo, unit=key_of(plan, new=True), **options)
    assert [version for _, version in asked(client)] == [options.get("version", "")]
    assert not lines(folder)


@pytest.mark.parametrize(("phase", "version"), [("withdrawn", "1"), ("finished", "")])
def test_a_change_of_plan_holds_for_the_next_request(
    folder: Path, plan: Plan, photo: np.ndarray, phase: Any, version: str
) -> None:
    client, unit = client_of(folder), key_of(plan, new=True)
    client.remove(photo, unit=unit)
    write_plan(folder, replace(plan, phase=phase))
    client.remove(photo, unit=unit)
    assert [version for _, version in asked(client)] == ["2", version]
    assert len(lines(folder)) == 1


def test_a_plan_that_cannot_be_read_or_outcomes_that_cannot_be_written_harm_no_request(
    folder: Path, plan: Plan, photo: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    client, unit = client_of(folder), key_of(plan, new=True)
    client.remove(photo, unit=unit)
    (folder / "rollout.json").write_text("{")
    (folder / f"{plan.name}.{plan.step}.jsonl").unlink()
    (folder / f"{plan.name}.{plan.step}.jsonl").mkdir()
    for _ in range(2):
        assert client.remove(photo, unit=unit).model_version == "2"  # what was known holds
    assert len(caplog.records) == 1


def test_the_cache_keeps_each_versions_results_apart(folder: Path, plan: Plan, photo: np.ndarray) -> None:
    cache = ResultCache(folder / "cache")
    client = Client(
        settings=Settings(), transport=Versioned({}), rollout=Rollout(folder, refresh_interval_s=0), cache=cache
    )
    for new in (True, False, True, False):
        client.remove(photo, unit=key_of(plan, new=new))
    assert [version for _, version in asked(client)] == ["2", "1"]
    assert (cache.hits, cache.misses) == (2, 2)
    cache.close()


def test_many_threads_append_whole_lines(folder: Path, plan: Plan) -> None:
    rollout = Rollout(folder)

    def write() -> None:
        for _ in range(100):
            rollout.record(plan, "someone", "2", ms=1.0, quality=0.5, subject=0.5)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    path = folder / f"{plan.name}.{plan.step}.jsonl"
    with path.open("a") as file:
        file.write('{"version": "2", "un')  # torn by a crash
    assert len(Outcomes(folder).samples(plan)[1]) == 800
