"""Hundreds of hostile requests: typed 4xx, nothing fetched from inside, nothing left behind, and the gateway lives."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from support.gateway import Website, live_gateway
from support.hostile import Hostile, requests

from tuft import Client
from tuft_gateway import GatewayOptions, create_app
from tuft_gateway.addresses import Address, is_public
from tuft_gateway.fetch import Fetcher

ATTACKER = "127.0.0.2"  # stands for a public address


@pytest.fixture
def secret() -> Iterator[Website]:
    """What an attacker wants: a server inside."""
    made = Website()
    made.answers("/secret", b"inside")
    yield made
    made.close()


@pytest.fixture
def attacker(secret: Website) -> Iterator[Website]:
    """A public server that leads inside."""
    made = Website(ATTACKER)
    hosts = {"loopback": "127.0.0.1", "decimal": "2130706433", "mapped": "[::ffff:127.0.0.1]", "name": "inside.test"}
    for name, host in hosts.items():
        made.redirects(f"/{name}", secret.url("/secret", host))
    made.redirects("/file", "file:///etc/passwd")
    made.redirects("/loop", "/loop")
    made.answers("/large", bytes(2_000_000))
    made.answers("/claims", b"x", Content_Length=str(10**9))
    made.answers("/gzip", b"\x1f\x8b", Content_Encoding="gzip")
    made.answers("/text", b"no picture")
    made.drips("/drip", 0.05)
    yield made
    made.close()


@pytest.fixture
def app(client: Client, secret: Website, attacker: Website) -> FastAPI:
    options = GatewayOptions(max_file_bytes=1_000_000, queue=64, idle_timeout_s=1.0, body_timeout_s=3.0)
    made = create_app(client, options)

    async def resolve(host: str, _port: int) -> Sequence[str]:
        """A resolver of the attacker's: `rebinding.test` is public when first asked, and then inside."""
        if host == "rebinding.test":
            asked.append(host)
            return [ATTACKER] if len(asked) == 1 else ["127.0.0.1"]
        names = {"inside.test": ["127.0.0.1"], "both.test": [ATTACKER, "127.0.0.1"], "evil.test": [ATTACKER]}
        if host in names:
            return names[host]
        return [str(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]

    def allowed(address: Address) -> bool:
        return str(address) == ATTACKER or is_public(address)

    asked: list[str] = []
    made.state.service.fetcher = Fetcher(
        1_000_000, 1.5, resolve=resolve, allowed=allowed, ports=(80, secret.port, attacker.port)
    )
    return made


def sent(hostile: Hostile, address: tuple[str, int]) -> bytes:
    """The answer to a request: everything until the connection is closed."""
    with socket.create_connection(address, timeout=60) as connection:
        said = b""
        try:
            connection.sendall(hostile.raw)
            while block := connection.recv(1 << 16):
                said += block
        except ConnectionError:
            pass
        return said


def complaint(hostile: Hostile, said: bytes) -> str:
    """What is wrong with an answer; empty if nothing is."""
    if not said:
        return ""  # closed: the client has broken off, or sent no request
    head, _, body = said.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    length = re.search(rb"content-length: (\d+)", head)
    body = body[: int(length[1])] if length else body  # what follows answers what the client sent after its request
    if b"x-evil" in head.lower() or b"set-cookie" in head.lower():
        return f"{hostile.name}: a header was injected"
    if b"inside" in body and b"inside" not in hostile.raw:
        return f"{hostile.name}: the secret was told"
    if not 400 <= status < 500:
        return f"{hostile.name}: {status} {body[:100]!r}"
    try:
        codes = [problem["code"] for problem in json.loads(body)["errors"]]
    except (ValueError, KeyError, TypeError):
        return f"{hostile.name}: no typed error {body[:100]!r}"
    return "" if codes else f"{hostile.name}: no error"


def test_hostile_requests_are_refused_and_leave_nothing(
    app: FastAPI, secret: Website, attacker: Website, photograph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = ["loopback", "decimal", "mapped", "name", "file", "loop", "large", "claims", "gzip", "text", "drip"]
    inside = [attacker.url(f"/{name}", "evil.test") for name in names]
    inside += [secret.url("/secret", host) for host in ("127.0.0.1", "inside.test", "both.test", "rebinding.test")]
    cases = list(requests(photograph, inside))
    assert len(cases) >= 300
    file = {"image_file": ("dog.png", photograph)}
    with live_gateway(app, GatewayOptions(idle_timeout_s=1.0)) as address, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: sent(each, address), cases))
        complaints = [said for each, answer in zip(cases, answers, strict=True) if (said := complaint(each, answer))]
        assert complaints == []
        assert sum(map(bool, answers)) > 0.8 * len(cases)
        assert secret.asked == []
        assert list(tmp_path.iterdir()) == []
        url = f"http://{address[0]}:{address[1]}"
        told = httpx.get(f"{url}/metrics").text
        assert "tuft_gateway_upload_bytes 0.0" in told
        assert "tuft_gateway_waiting 0.0" in told
        assert httpx.post(f"{url}/v1.0/removebg", files=file, timeout=60).status_code == 200
