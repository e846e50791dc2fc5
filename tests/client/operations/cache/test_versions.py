from __future__ import annotations

from tuft.errors import ServerUnreachableError
from tuft.operations.cache.versions import ServedVersions


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Server:
    """Reports a version and counts the calls; None raises an error."""

    def __init__(self, version: str | None) -> None:
        self.version = version
        self.asked = 0

    def served_version(self, model: str, *, timeout_s: float) -> str:
        self.asked += 1
        if self.version is None:
            raise ServerUnreachableError("nobody")
        return f"{self.version} of {model}"


def test_the_server_is_asked_once_in_a_while() -> None:
    clock, server = Clock(), Server("1")
    versions = ServedVersions(server, max_age_s=10, clock=clock)
    for _ in range(5):
        assert versions.of("a") == "1 of a"
    assert versions.of("b") == "1 of b"
    assert server.asked == 2
    server.version = "2"
    clock.now_s += 9.9
    assert versions.of("a") == "1 of a"
    clock.now_s += 0.1
    assert versions.of("a") == "2 of a"


def test_a_server_that_does_not_answer_is_not_asked_all_the_time() -> None:
    clock, server = Clock(), Server(None)
    versions = ServedVersions(server, max_age_s=10, clock=clock)
    assert versions.of("a") is None
    assert versions.of("a") is None
    assert server.asked == 1
    server.version = "1"
    clock.now_s += 10
    assert versions.of("a") == "1 of a"
    server.version = None
    clock.now_s += 10
    assert versions.of("a") is None  # the old answer may be outdated


def test_an_answer_that_contradicts_has_the_server_asked_anew() -> None:
    clock, server = Clock(), Server("1")
    versions = ServedVersions(server, clock=clock)
    versions.learn("a", "1 of a")
    assert versions.of("a") == "1 of a"
    versions.learn("a", "1 of a")
    assert versions.of("a") == "1 of a"
    assert server.asked == 1
    server.version = "2"
    versions.learn("a", "2 of a")
    assert versions.of("a") == "2 of a"
    assert server.asked == 2
