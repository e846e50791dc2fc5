"""Options of a start, and the addresses of the running server."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.contract import RUNTIMES
from tuft.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_PORT: Final = 65535


@dataclass(frozen=True)
class ServeOptions:
    """Options for starting tritonserver.

    Attributes:
        repository: The model repository.
        runtime: One of `tuft.contract.RUNTIMES`; None chooses the best that is published and supported by this
            tritonserver.
        sizes: Working sizes to serve, in pixels; None serves all that are published.
        host: IPv4 address to listen on. The wheel's tritonserver, old and unpatched, is refused anything but loopback.
        http_port: Port for HTTP; 0 chooses a free one, here and below.
        grpc_port: Port for gRPC.
        metrics_port: Port for Prometheus.
        ready_timeout_s: Seconds until all models must be ready, or each one if they are loaded one at a time.
        stop_timeout_s: Seconds that work in flight gets to finish when the server is stopped.
        log_file: File for tritonserver's output; None is a temporary file, kept only if the server fails.
        log_verbose: Whether tritonserver logs every request.
        digest: The digest that `tuft-export verify` printed; a repository with another one is refused. None accepts any
            repository whose files match their provenance.
        keep_compiled: Whether the python runtime caches compiled graphs for the next start.
        shared_memory: Whether clients that have the key (`TUFT_KEY`) may pass pictures through shared memory.
    """

    repository: Path
    runtime: str | None = None
    sizes: tuple[int, ...] | None = None
    host: str = "127.0.0.1"
    http_port: int = 8000
    grpc_port: int = 8001
    metrics_port: int = 8002
    ready_timeout_s: float = 600.0
    stop_timeout_s: float = 30.0
    log_file: Path | None = None
    log_verbose: bool = False
    digest: str | None = None
    keep_compiled: bool = True
    shared_memory: bool = False

    def __post_init__(self) -> None:
        if self.runtime is not None and self.runtime not in RUNTIMES:
            raise OptionError(f"There is no runtime {self.runtime!r}: choose one of {', '.join(RUNTIMES)}.")
        for size in self.sizes or ():
            if size not in contract.SIZES:
                known = ", ".join(map(str, contract.SIZES))
                raise OptionError(f"There is no working size {size}: choose from {known}.")
        for port in (self.http_port, self.grpc_port, self.metrics_port):
            if not 0 <= port <= LARGEST_PORT:
                raise OptionError(f"There is no port {port}: choose one from 0 (any free one) to {LARGEST_PORT}.")
        if self.digest is not None and not re.fullmatch("[0-9a-f]{64}", self.digest):
            raise OptionError(
                f"There is no digest {self.digest!r}: give the 64 hexadecimal digits that `tuft-export verify` prints."
            )
        _ = self.address

    @property
    def address(self) -> ipaddress.IPv4Address:
        """The address of `host`; `localhost` is resolved here, because Triton's HTTP server resolves no names.

        Raises:
            OptionError: `host` is neither `localhost` nor an IPv4 address.
        """
        try:
            return ipaddress.IPv4Address("127.0.0.1" if self.host == "localhost" else self.host)
        except ipaddress.AddressValueError as exc:
            raise OptionError(
                f"tritonserver cannot listen on {self.host!r}: give an IPv4 address such as 127.0.0.1."
            ) from exc


@dataclass(frozen=True)
class ServerAddresses:
    """Addresses of a running server."""

    host: str
    http_port: int
    grpc_port: int
    metrics_port: int

    @property
    def grpc(self) -> str:
        """Address for `tuft.Client` and tritonclient's gRPC client."""
        return f"{self.reachable_host}:{self.grpc_port}"

    @property
    def http(self) -> str:
        """Address for tritonclient's HTTP client."""
        return f"{self.reachable_host}:{self.http_port}"

    @property
    def metrics(self) -> str:
        """URL for Prometheus."""
        return f"http://{self.reachable_host}:{self.metrics_port}/metrics"

    @property
    def reachable_host(self) -> str:
        """Host for callers on this machine: a server that listens on 0.0.0.0 is reached over loopback."""
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host
