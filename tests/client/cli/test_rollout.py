"""`tuft rollout`: what it advises after a withdrawal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tuft.cli.main import main
from tuft.errors import ServerUnreachableError
from tuft.operations.rollout import Cluster, Plan, RolloutController
from tuft.operations.rollout.state import write_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

PLAN = Plan("m.1-2", "inspyrenet_1024", "1", "2", "localhost:8001", phase="withdrawn", reason="By hand.")


@dataclass
class Server:
    """The loaded versions of one model."""

    loaded: tuple[str, ...]
    answers: bool = True

    def versions(self, model: str) -> tuple[str, ...]:
        if not self.answers:
            raise ServerUnreachableError("Nothing answers on localhost:8001: start it.")
        return self.loaded

    def serve(self, model: str, versions: Sequence[str]) -> None:
        self.loaded = tuple(versions)

    def close(self) -> None:
        return


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    write_plan(tmp_path, PLAN)
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server(("1", "2"))

    def controller(folder: Path, key: str, **_: object) -> RolloutController:
        connect: dict[str, Any] = {"connect": lambda url, key: made, "connect_cluster": lambda cluster: made}
        return RolloutController(folder, key, settle_s=0, **connect)

    monkeypatch.setattr("tuft.cli.rollout.RolloutController", controller)
    return made


def test_the_key_is_explained_where_the_server_is_started(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "TUFT_KEY" in said
    assert "openssl rand -hex 32" in said
    assert "`tuft rollout` and clients with shared memory need the same one" in said


def test_what_is_unloaded_is_to_be_deleted(state: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rollout", "abort", "--state", str(state)]) == 0
    assert server.loaded == ("1",)
    assert "\nDelete inspyrenet_1024/2 from the model repository" in capsys.readouterr().out


def test_in_a_cluster_nothing_is_to_be_deleted(state: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    write_plan(state, replace(PLAN, cluster=Cluster("tuft", "tuft", "http://127.0.0.1:8001", {})))
    server.loaded = ("1",)
    assert main(["rollout", "abort", "--state", str(state)]) == 0
    assert "its repository in the bucket may stay" in capsys.readouterr().out


def test_what_serves_is_not_to_be_deleted(state: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan says that it is withdrawn, but the server could not be reached then."""
    assert main(["rollout", "watch", "--state", str(state)]) == 1
    said = capsys.readouterr().out
    assert "Keep inspyrenet_1024/2: localhost:8001 still has it loaded." in said
    assert "Delete" not in said


def test_nothing_is_to_be_deleted_while_the_server_does_not_tell_what_it_serves(
    state: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = False
    assert main(["rollout", "watch", "--state", str(state)]) == 1
    said = capsys.readouterr().out
    assert "Keep inspyrenet_1024/2 until `tuft rollout abort` has unloaded it (Nothing answers" in said
    assert "Delete" not in said
