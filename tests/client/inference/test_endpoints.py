"""Other servers: connected once, when first needed, and closed with the client."""

from __future__ import annotations

from typing import Any

from tuft import FakeTransport
from tuft.inference.endpoints import EndpointPool, RoutedRunner


class Named:
    """A runner that returns its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, request: Any) -> Any:
        return self.name


class Asked:
    def __init__(self, url: str) -> None:
        self.url = url


def test_each_address_is_connected_once_and_closed() -> None:
    made: dict[str, FakeTransport] = {}

    def connect(url: str) -> FakeTransport:
        assert url not in made
        return made.setdefault(url, FakeTransport())

    pool = EndpointPool(connect, lambda transport: Named(str(list(made.values()).index(transport))))  # type: ignore[arg-type]
    routed = RoutedRunner(Named("own"), pool)  # type: ignore[arg-type]
    assert not made
    assert [routed.run(Asked(url)) for url in ("", "a:1", "b:1", "a:1", "")] == ["own", "0", "1", "0", "own"]  # type: ignore[arg-type]
    pool.close()
    assert all(transport._closed for transport in made.values())
