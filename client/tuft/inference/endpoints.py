"""Servers beside the client's own: variants of an experiment may name one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuft.inference.runner import Runner, RunRequest, RunResult
    from tuft.inference.transport.base import Transport


class EndpointPool:
    """Connections to other servers, one for each address, made when first needed.

    Args:
        connect: Makes the transport to an address.
        runner_for: Makes the runner that uses a transport.
    """

    def __init__(self, connect: Callable[[str], Transport], runner_for: Callable[[Transport], Runner]) -> None:
        self._connect = connect
        self._runner_for = runner_for
        self._transports: dict[str, Transport] = {}
        self._runners: dict[str, Runner] = {}
        self._lock = threading.Lock()

    def runner_at(self, url: str) -> Runner:
        """The runner of the server at `url`."""
        with self._lock:
            if url not in self._runners:
                self._transports[url] = self._connect(url)
                self._runners[url] = self._runner_for(self._transports[url])
            return self._runners[url]

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()


class RoutedRunner:
    """Hands a request that names a server to that server, and all others on.

    Args:
        inner: The client's own server.
        endpoints: The others.
    """

    def __init__(self, inner: Runner, endpoints: EndpointPool) -> None:
        self._inner = inner
        self._endpoints = endpoints

    def run(self, request: RunRequest) -> RunResult:
        """See `Runner.run`."""
        runner = self._endpoints.runner_at(request.url) if request.url else self._inner
        return runner.run(request)
