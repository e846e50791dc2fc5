"""Starts the wheel's tritonserver with deploy/triton.sh, as if it were the container of a supported release."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.calling import wait_until
from tuft.serve.command import free_addresses
from tuft.serve.locate import Tritonserver, find_tritonserver
from tuft.serve.options import ServeOptions, ServerAddresses

SCRIPT = Path(__file__).parents[2] / "deploy" / "triton.sh"
RELEASE = "26.07"
KEY = "0123456789abcdef0123456789abcdef"

# Options that the wheel's release, which is two years older, does not support.
NEWER = ("--http-max-input-size=", "--allow-client-shm=")


@dataclass(frozen=True)
class Production:
    """A running server."""

    addresses: ServerAddresses
    process: subprocess.Popen[bytes]

    def http(self, path: str, *, key: str | None = None, body: bytes | None = None) -> int:
        """The status of an HTTP request."""
        headers = {} if key is None else {"tuft-key": key}
        request = urllib.request.Request(f"http://{self.addresses.http}{path}", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def counted(self, name: str) -> float:
        """The sum over all series of one of Triton's own metrics."""
        with urllib.request.urlopen(self.addresses.metrics, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))


@contextmanager
def production_server(repository: Path, folder: Path, **variables: str) -> Iterator[Production]:
    """Ready inside the `with` block. `variables` are those of triton.sh; `folder` is for files."""
    addresses = free_addresses(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0))
    server = find_tritonserver()
    environment = _environment(server, addresses, folder)
    variables = {"TUFT_MODELS": str(repository), "TUFT_RUNTIME": "python", "TUFT_KEY": KEY, **variables}
    with (folder / "triton.log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", str(SCRIPT)], env={**environment, **variables}, stdout=log, stderr=subprocess.STDOUT
        )
    production = Production(addresses, process)
    try:
        wait_until(lambda: _is_ready(production), timeout_s=60)
        yield production
    finally:
        process.terminate()
        process.wait(60)


def _is_ready(production: Production) -> bool:
    assert production.process.poll() is None, "it has ended"
    try:
        return production.http("/v2/health/ready") == 200
    except OSError:
        return False


def _environment(server: Tritonserver, addresses: ServerAddresses, folder: Path) -> Mapping[str, str]:
    """The environment as in the container; `tritonserver` is the wheel's, on free ports."""
    more = [f"--{name}-port={getattr(addresses, f'{name}_port')}" for name in ("http", "grpc", "metrics")]
    more += ["--trace-config=opentelemetry,bsp_schedule_delay=100"]  # instead of five seconds
    program = folder / "bin" / "tritonserver"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        f"known = [flag for flag in sys.argv[1:] if not flag.startswith({NEWER})]\n"
        f"program = {str(server.executable)!r}\n"
        f"os.execv(program, [program, *{server.arguments!r}, *known, *{more!r}])\n"
    )
    program.chmod(0o755)
    environment = {**os.environ, **server.environment, "NVIDIA_TRITON_SERVER_VERSION": RELEASE}
    return {**environment, "PATH": f"{program.parent}:{environment['PATH']}"}
