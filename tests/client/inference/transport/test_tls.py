"""TLS, tokens and headers, and what each way to fail at connecting is told as: every failure is provoked."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from support.certificates import Pair, authority, signed, unreachable
from support.triton_double import MODEL, SIZE, Double, listening, red_channel

from tuft import Client
from tuft.errors import OptionError, ServerUnreachableError
from tuft.inference.transport.access import Access
from tuft.inference.transport.probe import proxy_for
from tuft.inference.transport.triton import TritonTransport
from tuft.operations.rollout.model_control import ModelControl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

HERE = "DNS:localhost,IP:127.0.0.1"


class Certificates:
    """Those of two authorities: `ours` is trusted by the server and the clients of these tests, `theirs` is not."""

    def __init__(self, folder: Path) -> None:
        self.ours, self.theirs = authority(folder, "ours"), authority(folder, "theirs")
        self.server = signed(self.ours, "server", alternatives=HERE)
        self.expired = signed(self.ours, "expired", alternatives=HERE, days=0)
        self.elsewhere = signed(self.ours, "elsewhere", alternatives="DNS:elsewhere.example")
        self.client = signed(self.ours, "client", alternatives="DNS:client")
        self.stranger = signed(self.theirs, "stranger", alternatives="DNS:stranger")
        self.trusting = Access(root_certificates=str(self.ours.certificate))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def credentials(pair: Pair, clients: Pair | None = None) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(pair.key.read_bytes(), pair.certificate.read_bytes())],
        root_certificates=None if clients is None else clients.certificate.read_bytes(),
        require_client_auth=clients is not None,
    )


def shown(pair: Pair, roots: Pair) -> Access:
    return Access(str(roots.certificate), str(pair.certificate), str(pair.key))


@contextmanager
def tls(double: Double, pair: Pair, clients: Pair | None = None) -> Iterator[str]:
    with listening(double, credentials(pair, clients)) as address:
        yield address.replace("127.0.0.1", "localhost")


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def closing() -> Iterator[str]:
    """A port that accepts and closes every connection, as Triton's HTTP port does with gRPC."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        try:
            while True:
                accepted = listener.accept()[0]
                accepted.recv(2**16)  # or the system would reset the connection
                accepted.close()
        except OSError:
            return

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def alerting(made: Certificates) -> Iterator[str]:
    """A TLS server of OpenSSL's that demands certificates of its clients: it says what it has against one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server.certificate, made.server.key)
    context.load_verify_locations(made.ours.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                accepted = listener.accept()[0]
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(accepted, server_side=True) as encrypted:
                encrypted.recv(2**16)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"localhost:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


class Refusing(BaseHTTPRequestHandler):
    def do_CONNECT(self) -> None:
        self.send_error(403)

    def log_message(self, *_: Any) -> None:
        pass


def test_the_command_line_prints_one_line(made: Certificates, tmp_path: Path) -> None:
    with tls(Double(), made.server) as address:
        command = [sys.executable, "-m", "tuft", "doctor", "--url", f"grpcs://{address}"]
        environment = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
        told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert told.stderr == ""
    assert f"Server        The certificate of {address} is not signed by a public authority (" in told.stdout


@pytest.mark.parametrize("mutual", [False, True])
def test_encrypted(mutual: bool, made: Certificates, image: NDArray[np.uint8]) -> None:
    with tls(Double(), made.server, made.ours if mutual else None) as address:
        access = shown(made.client, made.ours) if mutual else made.trusting
        transport = TritonTransport(f"grpcs://{address}", access=access)
        answer = transport.infer(MODEL, image, timeout_s=30)
        np.testing.assert_array_equal(answer.saliency, red_channel(image))
        transport.close()


def test_certificate_and_key_may_share_a_file(made: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(made.client.certificate.read_text() + made.client.key.read_text())
    with tls(Double(), made.server, made.ours) as address:
        access = Access(str(made.ours.certificate), str(both))
        transport = TritonTransport(f"grpcs://{address}", access=access)
        assert transport.server_info().name == "triton"
        transport.close()


def test_token_and_headers_come_with_every_call(made: Certificates, image: NDArray[np.uint8]) -> None:
    double = Double()
    access = Access(str(made.ours.certificate), token="s3cret", headers=("X-Team: a, b", "x-tier:gold"))
    with tls(double, made.server) as address:
        transport = TritonTransport(f"grpcs://{address}", access=access)
        transport.infer(MODEL, image, timeout_s=30)
        transport.close()
        control = ModelControl.connect(f"grpcs://{address}", "key", access)
        assert control.versions(MODEL) == ("7",)
        control.close()
    assert len(double.metadata) == 1
    assert len(double.calls) == 2
    for headers in (*double.metadata, *double.calls):
        assert headers["authorization"] == "Bearer s3cret"
        assert (headers["x-team"], headers["x-tier"]) == ("a, b", "gold")


@pytest.mark.parametrize("status", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
def test_a_token_that_is_refused(status: grpc.StatusCode, made: Certificates, image: NDArray[np.uint8]) -> None:
    access = Access(str(made.ours.certificate), token="s3cret")
    with tls(Double(failure=(status, "Jwt expired.")), made.server) as address:
        transport = TritonTransport(f"grpcs://{address}", access=access)
        with pytest.raises(ServerUnreachableError) as caught:
            transport.infer(MODEL, image, timeout_s=30)
        transport.close()
    assert str(caught.value) == (
        f"{address} does not accept this client (Jwt expired): check token (TUFT_TOKEN) and headers."
    )
    assert not caught.value.transient


def test_a_token_stays_on_this_machine_or_is_encrypted() -> None:
    TritonTransport("localhost:8001", access=Access(token="s3cret")).close()
    with pytest.raises(OptionError, match=r"unencrypted: write grpcs://gpu:8001\.") as caught:
        TritonTransport("gpu", access=Access(token="s3cret"))
    assert "s3cret" not in str(caught.value)


def test_each_fault_of_a_certificate_has_its_sentence(made: Certificates) -> None:
    with tls(Double(), made.server) as address:
        for access in (None, Access(root_certificates=str(made.theirs.certificate))):
            told = unreachable(f"grpcs://{address}", access)
            by = f"one of {made.theirs.certificate}" if access else "a public authority"
            assert str(told).startswith(f"The certificate of {address} is not signed by {by} (")
            assert "TUFT_ROOT_CERTIFICATES" in str(told)
            assert not told.transient
    with tls(Double(), made.expired) as address:
        assert str(unreachable(f"grpcs://{address}", made.trusting)).startswith(
            f"The certificate of {address} is out of date (CERTIFICATE_VERIFY_FAILED: certificate has expired): "
        )
    with tls(Double(), made.elsewhere) as address:
        assert "is for another name" in str(unreachable(f"grpcs://{address}", made.trusting))


def test_a_client_certificate_that_is_asked_for_or_refused(made: Certificates) -> None:
    with tls(Double(), made.server, made.ours) as address:
        told = unreachable(f"grpcs://{address}", made.trusting)
        assert str(told).startswith(f"{address} asks for a client certificate (it closes the connection")
        assert "give client_certificate and client_key (TUFT_CLIENT_CERTIFICATE" in str(told)
        told = unreachable(f"grpcs://{address}", shown(made.stranger, made.ours))
        assert str(told).startswith(f"{address} does not accept the client certificate {made.stranger.certificate} (")
        assert "speaks TLS: write grpcs://" in str(unreachable(address))


@pytest.mark.parametrize("stranger", [False, True])
def test_the_alert_of_a_server_that_sends_one_is_quoted(stranger: bool, made: Certificates) -> None:
    with alerting(made) as address:
        told = str(unreachable(f"grpcs://{address}", shown(made.stranger, made.ours) if stranger else made.trusting))
    assert ("does not accept" if stranger else "asks for a client certificate") in told
    assert ("(unknown ca)" if stranger else "certificate required)") in told


def test_plain_to_tls_and_tls_to_plain(server: str, made: Certificates) -> None:
    with tls(Double(), made.server) as address:
        told = unreachable(address)
        assert str(told) == f"{address} speaks TLS: write grpcs://{address}."
        assert not told.transient
    told = unreachable(f"grpcs://{server}", made.trusting)
    assert str(told).startswith(f"{server} does not speak TLS: write grpc://")
    assert not told.transient


@pytest.mark.parametrize("scheme", ["", "grpcs://"])
def test_a_port_that_is_not_for_grpc(scheme: str, made: Certificates) -> None:
    access = made.trusting if scheme else None
    said = "TLS" if scheme else "does not speak gRPC"
    with answering(Refusing) as address:
        assert said in str(unreachable(scheme + address, access))
    with closing() as address:
        assert said in str(unreachable(scheme + address, access))


def test_unknown_hosts_and_closed_ports(closed_port: int) -> None:
    told = unreachable("no-such-host.invalid:8001")
    assert str(told).startswith("There is no host of the name in no-such-host.invalid:8001 (Domain name not found): ")
    assert not told.transient
    for scheme in ("", "grpcs://"):
        told = unreachable(f"{scheme}localhost:{closed_port}")
        assert str(told).startswith(f"Nothing answers at localhost:{closed_port}: start it with `tuft serve`")
        assert told.transient


@pytest.mark.parametrize("kind", ["closed", "unknown", "refusing"])
@pytest.mark.parametrize("variable", ["http_proxy", "grpc_proxy"])
def test_a_proxy_on_the_way_is_named(
    kind: str, variable: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(Refusing) as refusing:
        proxies = {"closed": f"127.0.0.1:{closed_port}", "unknown": "no-proxy.invalid:3128", "refusing": refusing}
        proxy = proxies[kind]
        for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_proxy", "no_grpc_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(variable, f"http://me:s3cret@{proxy}")
        told = str(unreachable("gpu.example:8001"))
    assert told.startswith(f"gpu.example:8001 is not reached through the proxy {proxy} ({variable}) (")
    assert "s3cret" not in told


@pytest.mark.parametrize("host", ["LOCALHOST", "0.0.0.0", "127.0.0.1", "127.1.2.3", "[::1]", "[::]"])
def test_no_proxy_is_asked_for_this_machine(host: str, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    double = Double()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    with listening(double, host="[::]") as address:
        transport = TritonTransport(f"{host}:{address.rpartition(':')[2]}")
        assert transport.server_info().name == "triton"
        transport.close()


def test_a_host_of_no_proxy_is_connected_to_directly(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("no_proxy", "example.org, .invalid, 192.0.2.0/24")
    assert "There is no host" in str(unreachable("gpu.invalid:8001"))
    assert proxy_for("192.0.2.7") == proxy_for("www.Example.org") == ""
    assert proxy_for("192.0.3.7") == proxy_for("example.net") == f"127.0.0.1:{closed_port} (http_proxy)"


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (Access("nowhere.pem"), r"root_certificates, nowhere\.pem, cannot be read \(No such file"),
        (Access("{key}"), "holds no certificates"),
        (Access(client_key="{key}"), "give client_certificate, too"),
        (Access(client_certificate="{certificate}"), "client_key, .*: give the two files that belong together"),
        (Access("", "{certificate}", "{other}"), "is not the key of"),
        (Access("", "{certificate}", "{locked}"), "is encrypted: give a key without a password"),
        (Access("", "{certificate}", "{folder}"), "client_key, .*cannot be read"),
        (Access(token="s3cret\n"), "token has characters that cannot be sent"),
        (Access(headers=("s3cret",)), "without name and value"),
        (Access(headers=("x-key:",)), "without name and value"),
        (Access(headers=("x key: s3cret",)), "a name that gRPC|whose name gRPC"),
        (Access(headers=("grpc-timeout: s3cret",)), "whose name gRPC"),
        (Access(headers=("x-key-bin: s3cret",)), "whose name gRPC"),
        (Access(headers=("x-key: s3créts3cret",)), "The header x-key has characters"),
        (Access(headers=("x-key: s3cret", "X-Key: s3cret")), "give a header twice"),
        (Access(token="s3cret", headers=("authorization: s3cret",)), "give a header twice"),
    ],
)
def test_what_cannot_be_used_is_told_before_connecting(
    access: Access, said: str, made: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "locked.key").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n")
    files = {
        "certificate": made.client.certificate, "key": made.client.key, "other": made.server.key, "folder": tmp_path,
        "locked": tmp_path / "locked.key",
    }  # fmt: skip
    names = ("root_certificates", "client_certificate", "client_key")
    paths = [getattr(access, name).format(**files) for name in names]
    with pytest.raises(OptionError, match=said) as caught:
        TritonTransport("grpcs://localhost:8001", access=Access(*paths, access.token, access.headers))
    assert "s3cret" not in str(caught.value)


def test_certificates_without_tls_are_no_silent_mistake(made: Certificates) -> None:
    with pytest.raises(OptionError, match=r"root_certificates is for TLS.*: write grpcs://localhost:8001\."):
        TritonTransport("localhost:8001", access=made.trusting)


def test_arguments_and_settings_of_a_client_reach_the_server(
    made: Certificates, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, double = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8), Double()
    monkeypatch.setenv("TUFT_ROOT_CERTIFICATES", str(made.ours.certificate))
    monkeypatch.setenv("TUFT_TOKEN", "of the variable")
    monkeypatch.setenv("TUFT_HEADERS", "x-team: 7, x-tier: gold")
    with tls(double, made.server, made.ours) as address:
        pair = {"client_certificate": made.client.certificate, "client_key": made.client.key}
        with Client(f"grpcs://{address}", **pair) as client:
            client.remove(photo, size=SIZE, refine="none")
        with Client(f"grpcs://{address}", **pair, token="given", headers={"X-Team": "8, 9"}) as client:
            client.remove(photo, size=SIZE, refine="none")
    first, second = double.metadata
    assert (first["authorization"], first["x-team"], first["x-tier"]) == ("Bearer of the variable", "7", "gold")
    assert (second["authorization"], second["x-team"]) == ("Bearer given", "8, 9")
    assert "x-tier" not in second


def test_secrets_are_in_no_repr() -> None:
    assert "s3cret" not in repr(Access(token="s3cret", headers=("x-key: s3cret",)))
