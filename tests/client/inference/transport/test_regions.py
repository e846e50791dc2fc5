"""How regions of shared memory are lent; the server's list of them is a set here, and a real one in tests/server."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tuft.errors import ServerError, ServerTimeoutError
from tuft.inference.transport import regions
from tuft.inference.transport.regions import ABANDONED_S, MOST_REGIONS, Regions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="system shared memory is Linux's")


class Names:
    """A server's list: the names alone."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.failure: ServerError | None = None

    def register(self, name: str, nbytes: int) -> None:
        if self.failure is not None:
            raise self.failure
        assert (regions.FOLDER / name).stat().st_size == nbytes
        self.names.add(name)

    def unregister(self, name: str) -> None:
        if name not in self.names:
            raise ServerError(f"There is no {name}.")
        self.names.remove(name)

    def registered(self) -> Iterable[str]:
        return set(self.names)


@pytest.fixture
def server() -> Names:
    return Names()


def test_one_that_is_large_enough_is_used_again(server: Names) -> None:
    pool = Regions("gpu:8001", server)
    first = pool.take(100)
    assert first is not None
    pool.give_back(first)
    assert pool.take(50) is first
    assert pool.take(50) is not first
    pool.give_back(first)
    assert pool.take(101) is not first


def test_there_are_never_more_than_the_most_and_small_ones_make_room(server: Names) -> None:
    pool = Regions("gpu:8001", server)
    taken = [pool.take(100) for _ in range(MOST_REGIONS + 1)]
    assert taken.pop() is None
    small = taken.pop()
    assert small is not None
    pool.give_back(small)
    large = pool.take(1000)
    assert large is not None
    assert large.name in server.names
    assert small.name not in server.names
    assert len(server.names) == MOST_REGIONS


def test_an_abandoned_one_counts_until_nothing_can_work_on_it(server: Names) -> None:
    now_s = [0.0]
    pool = Regions("gpu:8001", server, clock=lambda: now_s[0])
    for _ in range(MOST_REGIONS):
        region = pool.take(100)
        assert region is not None
        pool.abandon(region)
    now_s[0] = ABANDONED_S - 1
    assert pool.take(100) is None
    assert len(server.names) == MOST_REGIONS
    now_s[0] = ABANDONED_S
    fresh = pool.take(100)
    assert fresh is not None
    assert server.names == {fresh.name}


def test_closing_leaves_none_that_is_not_abandoned_and_makes_none(server: Names) -> None:
    pool = Regions("gpu:8001", server)
    idle, used, abandoned = (pool.take(100) for _ in range(3))
    assert idle is not None
    assert used is not None
    assert abandoned is not None
    pool.give_back(idle)
    pool.abandon(abandoned)
    pool.close()
    assert server.names == {used.name, abandoned.name}
    pool.give_back(used)
    assert server.names == {abandoned.name}
    assert pool.take(100) is None


def test_a_refusal_is_final_and_a_failure_is_not(server: Names, caplog: pytest.LogCaptureFixture) -> None:
    pool = Regions("gpu:8001", server)
    server.failure = ServerTimeoutError("It is slow.")
    assert pool.take(100) is None
    server.failure = None
    assert pool.take(100) is not None
    assert not caplog.messages
    server.failure = ServerError("It is restricted.")
    assert pool.take(100) is None
    server.failure = None
    assert pool.take(100) is None
    assert caplog.messages == ["Pictures are sent to gpu:8001 without shared memory: It is restricted."]


@pytest.mark.parametrize("nbytes", [2**50])
def test_a_system_without_room_is_named(server: Names, caplog: pytest.LogCaptureFixture, nbytes: int) -> None:
    with caplog.at_level(logging.WARNING, "tuft"):
        assert Regions("gpu:8001", server).take(nbytes) is None
    assert "/dev/shm has no room for" in caplog.text
    assert not list(regions.FOLDER.glob("tuft-client-*"))


def test_a_system_without_such_memory(
    server: Names, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(regions, "FOLDER", tmp_path / "missing")
    assert Regions("gpu:8001", server).take(100) is None
    assert "No such file or directory" in caplog.text


def test_regions_of_others_are_left_alone_unless_their_process_has_ended(server: Names) -> None:
    now_s = [0.0]
    mine = regions._owner(1)  # a process that lives longer than this one
    namespace = mine.partition("-")[0]
    ended, elsewhere = f"{namespace}-999999999-1", f"{int(namespace) + 1}-999999999-1"
    names = {f"tuft-client-{owner}-{'0' * 16}" for owner in (mine, ended, elsewhere)}
    server.names = {*names, "tuft_somebody", "another"}
    pool = Regions("gpu:8001", server, clock=lambda: now_s[0])
    for now_s[0] in (0.0, ABANDONED_S):
        assert pool.take(100) is not None
    assert names - server.names == {f"tuft-client-{ended}-{'0' * 16}"}
    assert {"tuft_somebody", "another"} < server.names
