"""The controller: what it loads, publishes and refuses, with a fake server that only tracks its versions."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from support.tiny import seal, tiny_repository

from tuft.errors import ContractError, IntegrityError, OptionError, ServerUnreachableError, SetupError
from tuft.operations.rollout import STEPS, Outcomes, Plan, RolloutController, read_plan
from tuft.operations.rollout.state import write_plan

if TYPE_CHECKING:
    from tuft.operations.rollout.model_control import ModelControl

TINY = "inspyrenet_384"


@dataclass
class Server:
    """The loaded versions, and each change of them with the share in the plan at that moment."""

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


@pytest.fixture(autouse=True)
def no_other_rollouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def server(state: Path) -> Server:
    return Server(state)


@pytest.fixture
def controller(state: Path, server: Server) -> RolloutController:
    return RolloutController(state, "key", settle_s=0, connect=lambda url, key: cast("ModelControl", server))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    repository = tiny_repository(tmp_path / "repository")
    version = repository / TINY / "2"
    shutil.copytree(repository / TINY / "1", version, ignore=shutil.ignore_patterns("provenance.json"))
    seal(version)
    return repository


def record(state: Path, plan: Plan, count: int, version: str, *, well: bool = True) -> None:
    known = {"ms": 100.0, "quality": 0.9, "subject": 0.3} if well else {}
    for i in range(count):
        Outcomes(state).append(plan, f"{version}/{i}", version, **known)


def start(controller: RolloutController, repository: Path) -> Plan:
    return controller.start(repository, TINY, "2", "localhost:8001")


def test_every_client_holds_to_the_old_version_before_the_new_one_is_loaded(
    controller: RolloutController, server: Server, repository: Path
) -> None:
    plan = start(controller, repository)
    assert (plan.old, plan.new, plan.share) == ("1", "2", 0.01)
    assert server.changes == [(("1", "2"), 0.0)]


def test_all_steps_to_the_end_and_back(controller: RolloutController, server: Server, repository: Path) -> None:
    start(controller, repository)
    assert [controller.promote().share for _ in STEPS[2:]] == list(STEPS[2:])
    assert controller.promote().phase == "finished"
    assert server.loaded == ("2",)
    with pytest.raises(OptionError, match="is finished: begin one"):
        controller.promote()
    assert controller.abort().phase == "withdrawn"
    # Both versions are loaded until every client has read the plan.
    assert server.changes[-2:] == [(("1", "2"), 1.0), (("1",), 0.0)]
    assert start(controller, repository).share == 0.01


def test_all_at_once_compares_with_the_step_that_was_left(
    controller: RolloutController, state: Path, repository: Path
) -> None:
    plan = start(controller, repository)
    record(state, plan, 30, "1")
    plan = controller.promote(all_at_once=True)
    record(state, plan, 30, "2", well=False)
    assert controller.check()[0].phase == "withdrawn"


def test_a_tripped_guard_withdraws_it_and_says_why(
    controller: RolloutController, server: Server, state: Path, repository: Path
) -> None:
    plan = start(controller, repository)
    record(state, plan, 100, "1")
    record(state, plan, 10, "2", well=False)
    ended = controller.promote()
    assert (ended.phase, ended.share, server.loaded) == ("withdrawn", 0.0, ("1",))
    assert ended.reason == "requests that failed 100.0% instead of 0.0% in step 1."
    assert controller.watch() == ended
    assert controller.abort().reason == ended.reason


def test_what_does_not_warm_up_is_unloaded(controller: RolloutController, server: Server, repository: Path) -> None:
    server.sane = False
    with pytest.raises(ContractError):
        start(controller, repository)
    assert server.loaded == ("1",)
    assert controller.status()[0].phase == "withdrawn"


def test_a_withdrawal_holds_even_if_the_server_cannot_be_reached_and_abort_makes_up_for_it(
    controller: RolloutController, server: Server, state: Path, repository: Path
) -> None:
    start(controller, repository)
    server.away = True
    with pytest.raises(ServerUnreachableError):
        controller.abort()
    plan = read_plan(state)
    assert plan is not None
    assert (plan.share, server.loaded) == (0.0, ("1", "2"))
    server.away = False
    controller.abort()
    assert server.loaded == ("1",)


def test_the_watch_promotes_only_what_was_judged_and_loads_again_what_a_restart_lost(
    controller: RolloutController, server: Server, state: Path, repository: Path
) -> None:
    start(controller, repository)
    server.loaded = ("2",)  # as after a restart
    told: list[Plan] = []

    def heard(plan: Plan) -> None:
        told.append(plan)
        record(state, plan, 30, "1")
        record(state, plan, 15, "2")

    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    assert controller.watch(every_s=0, poll_interval_s=0.01, stop=stop).step == 1
    timer.join()
    assert server.loaded == ("1", "2")
    heard(controller.status()[0])
    assert controller.watch(every_s=0, poll_interval_s=0.01, on_change=heard).phase == "finished"
    assert [plan.share for plan in told] == [0.01, 0.1, 0.5, 1.0, 1.0]


def test_what_cannot_be_started(controller: RolloutController, server: Server, state: Path, repository: Path) -> None:
    with pytest.raises(SetupError, match="has no version 3: publish it with `tuft-export publish --version 3`"):
        controller.start(repository, TINY, "3", "localhost:8001")
    with pytest.raises(SetupError, match="There is no model no_such"):
        controller.start(repository, "no_such", "2", "localhost:8001")
    with pytest.raises(OptionError, match="serves already"):
        controller.start(repository, TINY, "1", "localhost:8001")
    with pytest.raises(OptionError, match="There was no rollout in"):
        controller.promote()
    plan = start(controller, repository)
    with pytest.raises(OptionError, match="is running: promote or abort"):
        start(controller, repository)
    write_plan(state, replace(plan, phase="withdrawn"))
    (repository / TINY / "2" / "model.onnx").write_bytes(b"another")
    with pytest.raises(IntegrityError):
        start(controller, repository)


def test_an_older_version_is_not_rolled_out(controller: RolloutController, server: Server, repository: Path) -> None:
    server.loaded = ("2",)
    with pytest.raises(OptionError, match=r"Version 1 of .* is lower than version 2, which serves"):
        controller.start(repository, TINY, "1", "localhost:8001")
    assert server.loaded == ("2",)


def test_a_rollout_from_another_folder_is_noticed(
    controller: RolloutController, server: Server, repository: Path
) -> None:
    server.loaded = ("1", "2")
    with pytest.raises(OptionError, match=r"has versions 1, 2 of .* loaded, as in a rollout from another folder"):
        controller.start(repository, TINY, "2", "localhost:8001")
    assert server.loaded == ("1", "2")


def in_another_folder(tmp_path: Path, server: Server) -> RolloutController:
    return RolloutController(
        tmp_path / "another", "key", settle_s=0, connect=lambda url, key: cast("ModelControl", server)
    )


def publish(repository: Path, version: str) -> None:
    shutil.copytree(repository / TINY / "2", repository / TINY / version)
    seal(repository / TINY / version)


@pytest.mark.parametrize("url", ["localhost:8001", "127.0.0.1:8001", "grpc://localhost"])
def test_two_folders_cannot_roll_out_at_one_server(
    controller: RolloutController, server: Server, state: Path, repository: Path, tmp_path: Path, url: str
) -> None:
    start(controller, repository)
    publish(repository, "3")
    server.loaded = ("2",)  # as after a restart: the server itself shows no rollout
    other = in_another_folder(tmp_path, server)
    told = rf"^A rollout of {TINY} to version 2 is running on {url} with --state {state}: finish or abort that one"
    with pytest.raises(OptionError, match=told):
        other.start(repository, TINY, "3", url)
    assert server.loaded == ("2",)
    assert read_plan(tmp_path / "another") is None
    server.loaded = ("1", "2")
    controller.abort()
    assert other.start(repository, TINY, "3", url).new == "3"


def test_another_server_and_a_folder_that_is_gone_stop_no_rollout(
    controller: RolloutController, server: Server, state: Path, repository: Path, tmp_path: Path
) -> None:
    start(controller, repository)
    server.loaded = ("1",)
    assert in_another_folder(tmp_path, server).start(repository, TINY, "2", "localhost:9001").new == "2"
    shutil.rmtree(state)
    server.loaded = ("1",)
    shutil.rmtree(tmp_path / "another")
    assert in_another_folder(tmp_path, server).start(repository, TINY, "2", "localhost:8001").new == "2"


@pytest.mark.parametrize("ends", [False, True], ids=["running", "finished"])
def test_what_a_later_rollout_serves_is_not_taken_away(
    controller: RolloutController, server: Server, repository: Path, tmp_path: Path, ends: bool
) -> None:
    start(controller, repository)
    controller.abort()
    publish(repository, "3")
    other = in_another_folder(tmp_path, server)
    other.start(repository, TINY, "3", "localhost:8001")
    if ends:
        other.promote(all_at_once=True)
        other.promote()
    serving = server.loaded
    phase = "finished" if ends else "running"
    told = rf"^A later rollout of {TINY} to version 3 is {phase} on .* with --state .*another: abort that one"
    with pytest.raises(OptionError, match=told):
        controller.abort()
    assert server.loaded == serving


def test_a_later_rollout_from_another_machine_is_seen_by_what_the_server_serves(
    controller: RolloutController, server: Server, repository: Path
) -> None:
    start(controller, repository)
    controller.promote(all_at_once=True)
    controller.promote()
    server.loaded = ("2", "3")
    with pytest.raises(OptionError, match=r"serves version 2, 3 of .*, .* was from 1 to 2: .* nothing was changed"):
        controller.abort()
    assert server.loaded == ("2", "3")
