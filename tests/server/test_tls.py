"""TLS with the real tritonserver: its own words for each failure, which differ from those of other servers."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Final

import pytest
from support.certificates import authority, signed, unreachable

from tuft.errors import ServerUnreachableError
from tuft.inference.transport.access import Access
from tuft.inference.transport.triton import TritonTransport
from tuft.serve.command import free_addresses
from tuft.serve.locate import find_tritonserver
from tuft.serve.options import ServeOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tuft.serve.options import ServerAddresses

pytestmark = pytest.mark.server

START_S: Final = 120.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates: `ours` is the authority of both sides, `stranger` is a client's of another."""
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = authority(folder, "ours"), authority(folder, "theirs")
    signed(ours, "server", alternatives="DNS:localhost,IP:127.0.0.1")
    signed(ours, "client", alternatives="DNS:client")
    signed(theirs, "stranger", alternatives="DNS:stranger")
    return folder


@pytest.fixture(scope="module")
def addresses(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddresses]:
    """A tritonserver without models that asks its clients for certificates."""
    repository, server = tmp_path_factory.mktemp("empty"), find_tritonserver()
    addresses = free_addresses(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0))
    command = [
        str(server.executable), *server.arguments, f"--model-repository={repository}",
        "--model-control-mode=explicit", "--allow-metrics=false", f"--http-address={addresses.host}",
        f"--http-port={addresses.http_port}", f"--grpc-address={addresses.host}", f"--grpc-port={addresses.grpc_port}",
        "--grpc-use-ssl=true", "--grpc-use-ssl-mutual=true", f"--grpc-root-cert={folder / 'ours.pem'}",
        f"--grpc-server-cert={folder / 'server.pem'}", f"--grpc-server-key={folder / 'server.key'}",
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **server.environment}, stdout=log, stderr=log)
    try:
        until_it_answers(f"grpcs://{addresses.grpc}", shown(folder, "client"))
        yield addresses
    finally:
        process.terminate()
        process.wait(START_S)


def shown(folder: Path, name: str = "", roots: str = "ours") -> Access:
    pair = (str(folder / f"{name}.pem"), str(folder / f"{name}.key")) if name else ("", "")
    return Access(str(folder / f"{roots}.pem"), *pair)


def until_it_answers(url: str, access: Access) -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        transport = TritonTransport(url, access=access)
        try:
            assert transport.server_info().name == "triton"
            return
        except ServerUnreachableError as error:
            if not error.transient or time.monotonic() > deadline_s:
                raise
            time.sleep(0.2)
        finally:
            transport.close()


def failure(url: str, access: Access | None = None) -> str:
    error = unreachable(url, access)
    assert not error.transient
    return str(error)


def test_each_cause_has_its_sentence(addresses: ServerAddresses, folder: Path) -> None:
    encrypted = f"grpcs://{addresses.grpc}"
    assert "asks for a client certificate" in failure(encrypted, shown(folder))
    assert f"does not accept the client certificate {folder}" in failure(encrypted, shown(folder, "stranger"))
    assert f"is not signed by one of {folder / 'theirs.pem'} (" in failure(
        encrypted, shown(folder, "client", roots="theirs")
    )
    assert failure(addresses.grpc) == f"{addresses.grpc} speaks TLS: write grpcs://{addresses.grpc}."
    assert "does not speak gRPC" in failure(addresses.http)
    assert "TLS" in failure(f"grpcs://{addresses.http}", shown(folder, "client"))
