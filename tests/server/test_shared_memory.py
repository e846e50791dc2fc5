"""Pictures that go to a real server through system shared memory, and what is left there of clients that end."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.calling import random_images
from support.tiny import mean_saliency, tiny_repository

from tuft import CancelToken
from tuft.errors import RequestCancelledError, SetupError
from tuft.inference.transport import regions
from tuft.inference.transport.access import Access
from tuft.inference.transport.base import CallOptions
from tuft.inference.transport.triton import KEY_HEADER, TritonTransport, _Registry
from tuft.serve import ServeOptions, ServerAddresses, running_server

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(sys.platform != "linux", reason="system shared memory is Linux's"),
]

KEY = "k" * 32
MODEL = "inspyrenet_384"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddresses]:
    """Serves the mean of the channels, and allows shared memory to who has the key."""
    repository = tiny_repository(tmp_path_factory.mktemp("mean"))
    options = ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0, shared_memory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUFT_KEY", KEY)
        with running_server(options) as addresses:
            yield addresses


@pytest.fixture
def transport(server: ServerAddresses) -> Iterator[TritonTransport]:
    made = TritonTransport(server.grpc, access=Access(shared_memory=True, key=KEY))
    yield made
    made.close()


def registered(server: ServerAddresses) -> set[str]:
    """Names of the regions that the server has mapped."""
    plain = TritonTransport(server.grpc)
    with plain.grpc_client(MODEL, 5) as client:
        names = set(client.get_system_shared_memory_status(headers={KEY_HEADER: KEY}).regions)
    plain.close()
    return names


def files() -> list[Path]:
    return list(regions.FOLDER.glob("tuft-client-*"))


def ask(transport: TritonTransport, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return transport.infer(MODEL, image, timeout_s=60).saliency


def test_the_answer_is_that_of_messages_and_one_region_serves_one_request_after_another(
    server: ServerAddresses, transport: TritonTransport
) -> None:
    plain = TritonTransport(server.grpc)
    for image in random_images(3):
        np.testing.assert_array_equal(ask(transport, image), ask(plain, image))
    assert len(registered(server)) == 1
    assert not files()
    transport.close()
    assert not registered(server)
    plain.close()


def test_requests_at_once_have_a_region_each_and_too_many_are_sent_as_messages(
    server: ServerAddresses, transport: TritonTransport
) -> None:
    images = random_images(3 * regions.MOST_REGIONS)
    with ThreadPoolExecutor(len(images)) as pool:
        answers = list(pool.map(lambda image: ask(transport, image), images))
    np.testing.assert_allclose(answers, mean_saliency(images), atol=1e-6)
    assert 1 <= len(registered(server)) <= regions.MOST_REGIONS


def test_a_server_that_has_forgotten_its_regions_is_asked_by_message_and_given_a_new_one(
    server: ServerAddresses, transport: TritonTransport
) -> None:
    (image,) = random_images(1)
    expected = ask(transport, image)
    before = registered(server)
    with transport.grpc_client(MODEL, 5) as client:
        client.unregister_system_shared_memory(headers={KEY_HEADER: KEY})
    for _ in range(2):
        np.testing.assert_array_equal(ask(transport, image), expected)
    assert len(registered(server)) == 1
    assert registered(server) != before


def test_the_region_of_a_request_that_was_taken_back_is_not_used_again(
    server: ServerAddresses, transport: TritonTransport
) -> None:
    (image,) = random_images(1)
    ask(transport, image)
    (before,) = registered(server)
    cancel = CancelToken()
    with pytest.MonkeyPatch.context() as patch:  # cancelled once the request is on its way
        send = transport._infer
        patch.setattr(transport, "_infer", lambda *a, **k: (send(*a, **k), cancel.cancel())[0])
        with pytest.raises(RequestCancelledError):
            transport.infer(MODEL, image, timeout_s=60, options=CallOptions(cancel=cancel))
    ask(transport, image)
    assert len(registered(server) - {before}) == 1
    transport.close()
    assert registered(server) == {before}  # the server may be working on it


@pytest.mark.parametrize("key", ["", "another" * 5])
def test_a_server_that_does_not_allow_it_is_told_once_and_asked_by_message(
    server: ServerAddresses, caplog: pytest.LogCaptureFixture, key: str
) -> None:
    refused = TritonTransport(server.grpc, access=Access(shared_memory=True, key=key))
    images = random_images(2)
    with caplog.at_level(logging.WARNING, "tuft"):
        answers = [ask(refused, image) for image in images]
    np.testing.assert_allclose(answers, mean_saliency(images), atol=1e-6)
    (line,) = caplog.messages
    assert line.startswith(f"Pictures are sent to {server.grpc} without shared memory: ")
    assert "restricted" in line
    assert not files()
    refused.close()


def test_a_server_without_a_key_is_not_told_to_allow_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUFT_KEY", raising=False)
    options = ServeOptions(tiny_repository(tmp_path), http_port=0, grpc_port=0, metrics_port=0, shared_memory=True)
    with pytest.raises(SetupError, match="TUFT_KEY is not set: make one"), running_server(options):
        pass


_CLIENT = """
import os, signal, sys
import numpy as np
from tuft import Client, Settings
client = Client(settings=Settings(url=sys.argv[1], shared_memory=True))
client.transport.infer("inspyrenet_384", np.zeros((384, 384, 3), np.uint8), timeout_s=60)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("end", "left"), [("never closed", 0), ("killed", 1)])
def test_a_client_that_ends_leaves_no_file_and_what_the_server_has_of_a_killed_one_is_unregistered_by_the_next(
    server: ServerAddresses, monkeypatch: pytest.MonkeyPatch, end: str, left: int
) -> None:
    monkeypatch.setenv("TUFT_KEY", KEY)
    before = registered(server)
    subprocess.run([sys.executable, "-c", _CLIENT, server.grpc, end], check=False, timeout=60)
    assert not files()
    assert len(registered(server) - before) == left
    now_s = [0.0]
    transport = TritonTransport(server.grpc)
    with transport.grpc_client(MODEL, 5) as client:
        pool = regions.Regions(server.grpc, _Registry(client, transport._connection, KEY), clock=lambda: now_s[0])
        for now_s[0] in (0.0, regions.ABANDONED_S - 1):  # what it did may still be under way
            assert pool.take(10_000) is not None
            assert len(registered(server) - before) == left + 1 + (now_s[0] > 0)
        now_s[0] = regions.ABANDONED_S
        held = pool.take(10_000)
        assert held is not None
        mine = {name for name in registered(server) - before if not regions._is_left_over(name)}
        assert registered(server) - before == mine
        client.unregister_system_shared_memory(headers={KEY_HEADER: KEY})
