"""The conductor: what it loads, tells and refuses, against a server that only keeps count of its versions."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from support.tiny import seal, tiny_repository

from tuft.errors import ContractError, IntegrityError, OptionError, ServerUnreachableError, SetupError
from tuft.operations.rollout import STEPS, Conductor, Outcomes, Plan, controller, read_plan
from tuft.operations.rollout.state import write_plan

TINY = "inspyrenet_384"


@dataclass
class Server:
    """What is loaded, and each change of it with the share that clients were told at that moment."""

    folder: Path
    loaded: tuple[str, ...] = ("1",)
    changes: list[tuple[tuple[str, ...], float | None]] = field(default_factory=list)
    sane: bool = True
    away: bool = False

    def versions(self, model: str) -> tuple[str, ...]:
        return self.loaded

    def serve(self, model: str, versions: Sequence[str]) -> None:
        if self.away:
            raise ServerUnreachableError("Nothing answers: start it.")
        if tuple(versions) != self.loaded:
            plan = read_plan(self.folder)
            self.changes.append((tuple(versions), None if plan is None else plan.share))
            self.loaded = tuple(versions)

    def warm_up(self, model: str, version: str) -> None:
        if not self.sane:
            raise ContractError("It finds nothing: export it again.")

    def close(self) -> None:
        return


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def server(state: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server(state)
    monkeypatch.setattr(controller, "ModelControl", lambda url, key: server)
    return server


@pytest.fixture
def conductor(state: Path, server: Server) -> Conductor:
    return Conductor(state, "key", settle_s=0)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    repository = tiny_repository(tmp_path / "repository")
    version = repository / TINY / "2"
    version.mkdir()
    for file in (repository / TINY / "1").iterdir():
        if file.name != "provenance.json":
            (version / file.name).write_bytes(file.read_bytes())
    seal(version)
    return repository


def record(state: Path, plan: Plan, count: int, version: str, *, well: bool = True) -> None:
    known = {"ms": 100.0, "quality": 0.9, "subject": 0.3} if well else {}
    for i in range(count):
        Outcomes(state).append(plan, f"{version}/{i}", version, **known)


def start(conductor: Conductor, repository: Path) -> Plan:
    return conductor.start(repository, TINY, "2", "localhost:8001")


def test_every_client_holds_to_the_old_version_before_the_new_one_is_loaded(
    conductor: Conductor, server: Server, repository: Path
) -> None:
    plan = start(conductor, repository)
    assert (plan.old, plan.new, plan.share) == ("1", "2", 0.01)
    assert server.changes == [(("1", "2"), 0.0)]


def test_all_steps_to_the_end_and_back(conductor: Conductor, server: Server, repository: Path) -> None:
    start(conductor, repository)
    assert [conductor.promote().share for _ in STEPS[2:]] == list(STEPS[2:])
    assert conductor.promote().phase == "finished"
    assert server.loaded == ("2",)
    with pytest.raises(OptionError, match="is finished: begin one"):
        conductor.promote()
    assert conductor.abort().phase == "withdrawn"
    # Both are there until every client has heard of it.
    assert server.changes[-2:] == [(("1", "2"), 1.0), (("1",), 0.0)]
    assert start(conductor, repository).share == 0.01


def test_all_at_once_compares_with_the_step_that_was_left(conductor: Conductor, state: Path, repository: Path) -> None:
    plan = start(conductor, repository)
    record(state, plan, 30, "1")
    plan = conductor.promote(all_at_once=True)
    record(state, plan, 30, "2", well=False)
    assert conductor.look()[0].phase == "withdrawn"


def test_a_tripped_guard_withdraws_it_and_says_why(
    conductor: Conductor, server: Server, state: Path, repository: Path
) -> None:
    plan = start(conductor, repository)
    record(state, plan, 100, "1")
    record(state, plan, 10, "2", well=False)
    ended = conductor.promote()
    assert (ended.phase, ended.share, server.loaded) == ("withdrawn", 0.0, ("1",))
    assert ended.reason == "requests that failed 100.0% instead of 0.0% in step 1."
    assert conductor.watch() == ended
    assert conductor.abort().reason == ended.reason


def test_what_does_not_warm_up_is_unloaded(conductor: Conductor, server: Server, repository: Path) -> None:
    server.sane = False
    with pytest.raises(ContractError):
        start(conductor, repository)
    assert server.loaded == ("1",)
    assert conductor.standing()[0].phase == "withdrawn"


def test_a_withdrawal_holds_even_if_the_server_cannot_be_reached_and_abort_makes_up_for_it(
    conductor: Conductor, server: Server, state: Path, repository: Path
) -> None:
    start(conductor, repository)
    server.away = True
    with pytest.raises(ServerUnreachableError):
        conductor.abort()
    plan = read_plan(state)
    assert plan is not None
    assert (plan.share, server.loaded) == (0.0, ("1", "2"))
    server.away = False
    conductor.abort()
    assert server.loaded == ("1",)


def test_the_watch_promotes_only_what_was_judged_and_loads_again_what_a_restart_lost(
    conductor: Conductor, server: Server, state: Path, repository: Path
) -> None:
    start(conductor, repository)
    server.loaded = ("2",)  # as after a restart
    told: list[Plan] = []

    def heard(plan: Plan) -> None:
        told.append(plan)
        record(state, plan, 30, "1")
        record(state, plan, 15, "2")

    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    assert conductor.watch(every_s=0, look_s=0.01, stop=stop).step == 1
    timer.join()
    assert server.loaded == ("1", "2")
    heard(conductor.standing()[0])
    assert conductor.watch(every_s=0, look_s=0.01, told=heard).phase == "finished"
    assert [plan.share for plan in told] == [0.01, 0.1, 0.5, 1.0, 1.0]


def test_what_cannot_be_started(conductor: Conductor, server: Server, state: Path, repository: Path) -> None:
    with pytest.raises(SetupError, match="has no version 3: publish it"):
        conductor.start(repository, TINY, "3", "localhost:8001")
    with pytest.raises(SetupError, match="There is no model no_such"):
        conductor.start(repository, "no_such", "2", "localhost:8001")
    with pytest.raises(OptionError, match="serves already"):
        conductor.start(repository, TINY, "1", "localhost:8001")
    with pytest.raises(OptionError, match="There was no rollout in"):
        conductor.promote()
    plan = start(conductor, repository)
    with pytest.raises(OptionError, match="is running: promote or abort"):
        start(conductor, repository)
    write_plan(state, replace(plan, phase="withdrawn"))
    (repository / TINY / "2" / "model.onnx").write_bytes(b"another")
    with pytest.raises(IntegrityError):
        start(conductor, repository)
