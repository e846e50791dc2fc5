"""Load is bounded, slow and vanished clients cost nothing, and a stop lets work in flight finish: over real sockets."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from support.gateway import live_gateway

from tuft import Client, FakeTransport
from tuft.imaging import encode
from tuft.inference.transport.fake import centred_disk
from tuft_gateway import GatewayOptions, create_app

ROUTE = "/v1.0/removebg"


class Gate:
    """A network that holds every picture until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.holding = threading.Semaphore(0)

    def saliency(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.holding.release()
        assert self.open.wait(60)
        return centred_disk(image)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


@contextmanager
def served(transport: FakeTransport, **limits: Any) -> Iterator[tuple[str, int]]:
    options = GatewayOptions(**limits)
    with live_gateway(create_app(Client(transport=transport), options), options) as address:
        yield address


def url(address: tuple[str, int], path: str = ROUTE) -> str:
    return f"http://{address[0]}:{address[1]}{path}"


def eventually(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s, "it does not become true"
        time.sleep(0.01)


def metric(address: tuple[str, int], name: str) -> float:
    lines = httpx.get(url(address, "/metrics")).text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def head(length: int, kind: str = "multipart/form-data; boundary=b", path: str = ROUTE) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def answer_on(connection: socket.socket) -> bytes:
    """All bytes until the gateway closes the connection, or answers."""
    connection.settimeout(30)
    said = b""
    try:
        while b"\r\n\r\n" not in said and (block := connection.recv(65536)):
            said += block
    except ConnectionError:
        pass
    return said


def test_beyond_the_queue_429_is_answered_at_once(gate: Gate, photograph: bytes) -> None:
    file = {"image_file": ("dog.png", photograph)}
    with served(FakeTransport(gate.saliency), concurrency=1, queue=1) as address, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(httpx.post, url(address), files=file, timeout=60) for _ in range(2)]
        gate.holding.acquire()
        eventually(lambda: metric(address, "tuft_gateway_waiting") == 1)
        refused = httpx.post(url(address), files=file)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json()["errors"][0]["code"] == "too_busy"
        assert httpx.get(url(address, "/health")).status_code == 200
        gate.open.set()
        assert [each.result().status_code for each in waiting] == [200, 200]
        assert httpx.post(url(address), files=file).status_code == 200


def test_a_client_that_disconnects_cancels_the_request_down_to_the_server(gate: Gate, photograph: bytes) -> None:
    fake = FakeTransport(gate.saliency)
    file = {"image_file": ("dog.png", photograph)}
    with served(fake, concurrency=1, queue=1) as address:
        request = httpx.Request("POST", url(address), files=file)
        with socket.create_connection(address) as connection:
            connection.sendall(head(len(request.read()), request.headers["content-type"]) + request.read())
            gate.holding.acquire()
        (options,) = fake.options
        eventually(lambda: options.cancel.cancelled)  # what a real transport tells Triton
        gate.open.set()
        eventually(lambda: metric(address, "tuft_gateway_working") == 0)
        assert httpx.post(url(address), files=file, timeout=60).status_code == 200


def test_slow_senders_are_dropped(photograph: bytes) -> None:
    with served(FakeTransport(), idle_timeout_s=0.5, body_timeout_s=2.0, queue=8) as address:
        for sent in (b"", b"POST /v1.0/rem", b"POST /v1.0/removebg HTTP/1.1\r\nHost: localhost\r\nX-A"):
            with socket.create_connection(address) as connection:
                connection.sendall(sent)
                assert answer_on(connection) == b""  # closed
        with socket.create_connection(address) as connection:
            connection.sendall(head(1000) + b"--b\r\n")
            assert b" 408 " in answer_on(connection)
        with socket.create_connection(address) as connection:  # never idle, but too slow
            connection.sendall(head(1_000_000) + b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n")
            dripping = threading.Event()

            def drip() -> None:
                while not dripping.wait(0.1):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

            thread = threading.Thread(target=drip)
            thread.start()
            assert b" 408 " in answer_on(connection)
            dripping.set()
            thread.join()
        assert metric(address, "tuft_gateway_waiting") == 0
        assert metric(address, "tuft_gateway_upload_bytes") == 0


def test_uploads_are_bounded_before_they_are_read() -> None:
    with served(FakeTransport(), max_file_bytes=100_000) as address:
        for kind in ("multipart/form-data; boundary=b", "application/json", "application/x-www-form-urlencoded"):
            with socket.create_connection(address) as connection:
                connection.sendall(head(10**9, kind))  # nothing of the body
                said = answer_on(connection)
                assert b" 400 " in said
            with socket.create_connection(address) as connection:  # no length is claimed
                connection.sendall(head(0, kind).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
                chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
                try:
                    for _ in range(100):
                        connection.sendall(chunk)
                except OSError:
                    pass  # closed while it was sent
                assert b" 400 " in answer_on(connection)
        assert metric(address, "tuft_gateway_upload_bytes") == 0


def test_all_uploads_together_are_bounded(gate: Gate, photograph: bytes) -> None:
    with served(
        FakeTransport(gate.saliency), concurrency=1, queue=8, upload_memory_bytes=len(photograph) * 3 // 2 + 200
    ) as address:
        file = {"image_file": ("dog.png", photograph)}
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(httpx.post, url(address), files=file, timeout=60)
            gate.holding.acquire()
            refused = httpx.post(url(address), files=file)
            assert (refused.status_code, refused.json()["errors"][0]["code"]) == (429, "too_busy")
            gate.open.set()
            assert first.result().status_code == 200
        assert httpx.post(url(address), files=file).status_code == 200


def test_a_stop_finishes_what_is_in_flight(gate: Gate, photograph: bytes) -> None:
    file = {"image_file": ("dog.png", photograph)}
    with ThreadPoolExecutor(1) as pool:
        with served(FakeTransport(gate.saliency), concurrency=1) as address:
            last = pool.submit(httpx.post, url(address), files=file, timeout=60)
            gate.holding.acquire()
            threading.Timer(0.3, gate.open.set).start()
        assert last.result().status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.post(url(address), files=file)


def test_503_is_answered_while_models_load(photograph: bytes) -> None:
    with served(FakeTransport(models=())) as address:
        assert httpx.get(url(address, "/ready")).status_code == 503
        answer = httpx.post(url(address), files={"image_file": ("dog.png", photograph)})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0


def test_nothing_of_an_upload_is_written_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was made")

    for name in ("NamedTemporaryFile", "TemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    picture = np.random.default_rng(0).integers(0, 256, (1000, 1200, 3), np.uint8)
    with served(FakeTransport()) as address:
        answer = httpx.post(url(address), files={"image_file": ("dog.png", encode(picture, "png"))}, timeout=60)
        assert answer.status_code == 200, answer.text


def test_an_answer_that_is_not_taken_holds_its_place() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), np.uint8)
    fake = FakeTransport(lambda image: np.linspace(0, 1, image.shape[1], dtype=np.float32)[None].repeat(len(image), 0))
    files = {"image_file": ("noise.png", encode(noise, "png"))}
    request = httpx.Request("POST", "http://localhost", data={"size": "full"}, files=files)
    body, kind = request.read(), request.headers["content-type"]
    with served(fake, concurrency=1, queue=1, answer_timeout_s=5.0) as address:
        with socket.create_connection(address) as slow, socket.create_connection(address) as other:
            for connection in (slow, other):
                connection.sendall(head(len(body), kind) + body)
            eventually(lambda: metric(address, "tuft_gateway_working") == 0)
            assert metric(address, "tuft_gateway_waiting") == 2  # being sent
            refused = httpx.post(url(address), content=body, headers={"Content-Type": kind})
            assert refused.status_code == 429
            eventually(lambda: metric(address, "tuft_gateway_waiting") == 0)  # after the time for taking it
        assert httpx.post(url(address), content=body, headers={"Content-Type": kind}, timeout=60).status_code == 200
