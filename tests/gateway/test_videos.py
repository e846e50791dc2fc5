"""`/v1/videos`: a job from upload to result, its progress, its cancellation and its price."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from support import videos
from support.gateway import decoding_here
from support.videos import Video, left_edge

from tuft import Client, FakeTransport
from tuft.batch.video.reading import examine, read_frames
from tuft_gateway import create_app
from tuft_gateway.metering import Caller, FreeCharge, Use
from tuft_gateway.options import GatewayOptions

ROUTE = "/v1/videos"
OPTIONS = GatewayOptions(videos=True, max_video_bytes=2**20)


class Held(FakeTransport):
    """Answers only while it may."""

    def __init__(self) -> None:
        super().__init__(videos.saliency)
        self.may = threading.Event()
        self.may.set()
        self.asked = threading.Event()

    def infer(self, *arguments: Any, **options: Any) -> Any:
        self.asked.set()
        while not self.may.wait(0.01):
            options["options"].cancel.raise_if_cancelled()
        return super().infer(*arguments, **options)


class Tariff:
    """Counts what is charged; the account is in a header."""

    def __init__(self) -> None:
        self.uses: list[Use] = []
        self.settled = self.refunded = 0

    async def admit(self, headers: Any, host: str | None) -> Caller:
        return Caller(headers.get("x-api-key", ""))

    async def reserve(self, caller: Caller, use: Use) -> Any:
        self.uses.append(use)
        tariff = self

        class Charge(FreeCharge):
            credits = Decimal(1)

            async def settle(self) -> None:
                tariff.settled += 1

            async def refund(self) -> None:
                tariff.refunded += 1

        return Charge()


@pytest.fixture
def network() -> Held:
    return Held()


@pytest.fixture
def tariff() -> Tariff:
    return Tariff()


@pytest.fixture
def app(network: Held, tariff: Tariff) -> FastAPI:
    return decoding_here(create_app(Client(transport=network), OPTIONS, tariff))


@pytest.fixture
def http(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 50000)) as made:
        yield made


@pytest.fixture
def clip(tmp_path: Path) -> bytes:
    return Video().write(tmp_path / "clip.mp4").read_bytes()


def ended(http: TestClient, address: str, **headers: str) -> dict[str, Any]:
    """The job once it has ended."""
    while True:
        told: dict[str, Any] = http.get(address, headers=headers).json()
        if told["state"] in ("done", "failed", "cancelled"):
            return told
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("query", "kind", "alpha"),
    [({}, "video/webm", True), ({"format": "mp4", "bg_color": "00ff00"}, "video/mp4", False)],
)
def test_a_video_is_cut_out_as_a_job(
    http: TestClient, tariff: Tariff, clip: bytes, tmp_path: Path, query: dict[str, str], kind: str, alpha: bool
) -> None:
    posted = http.post(ROUTE, params=query, content=clip, headers={"content-type": "video/mp4"})
    assert posted.status_code == 202
    address = posted.headers["location"]
    assert ended(http, address) == {"id": posted.json()["id"], "state": "done", "frames_done": 10, "frames": 10}
    answer = http.get(f"{address}/result")
    assert answer.headers["content-type"] == kind
    (tmp_path / "result").write_bytes(answer.content)
    found = examine(tmp_path / "result")
    assert (found.has_alpha, found.has_sound) == (alpha, True)
    frames = list(read_frames(found))
    assert len(frames) == 10
    for index, frame in enumerate(frames):
        assert np.abs(frame.pixels[24, left_edge(index) + 8, :3].astype(int) - videos.SUBJECT).max() < 15
    assert [use.photographs for use in tariff.uses] == [10]
    assert (tariff.settled, tariff.refunded) == (1, 0)
    assert http.delete(address).status_code == 204
    assert http.get(address).json()["errors"][0]["code"] == "not_found"


def test_progress_then_cancelled(http: TestClient, network: Held, tariff: Tariff, clip: bytes) -> None:
    network.may.clear()
    address = http.post(ROUTE, content=clip).headers["location"]
    while http.get(address).json()["state"] != "running":
        time.sleep(0.01)
    early = http.get(f"{address}/result")
    assert (early.status_code, early.json()["errors"][0]["code"]) == (409, "not_ready")
    assert http.delete(address).status_code == 204
    assert http.get(address).status_code == 404
    network.may.set()
    assert ended(http, http.post(ROUTE, content=clip).headers["location"])["state"] == "done"  # the thread is free
    assert tariff.settled == 1


def test_what_is_no_video_fails_with_its_reason_and_costs_nothing(http: TestClient, tariff: Tariff) -> None:
    address = http.post(ROUTE, content=b"no video" * 100).headers["location"]
    told = ended(http, address)
    assert told["state"] == "failed"
    error = told["errors"][0]
    assert (error["code"], error["detail"][:35]) == ("invalid_file_type", "The video is no video that tuft rea")
    answer = http.get(f"{address}/result")
    assert (answer.status_code, answer.json()["errors"][0]) == (400, error)
    assert tariff.settled == 0


def test_a_decoder_that_crashes_fails_its_own_video(
    http: TestClient, network: Held, tariff: Tariff, clip: bytes, tmp_path: Path
) -> None:
    http.app.state.service.isolated = True  # type: ignore[attr-defined]
    long = Video(range(0, 2400, 40), (240, 320), sound=None).write(tmp_path / "long.mp4")  # more than is read ahead
    network.may.clear()
    address = http.post(ROUTE, content=long.read_bytes()).headers["location"]
    assert network.asked.wait(60)
    (decoding,) = [each for each in psutil.Process().children() if "tuft.batch.video.worker" in each.cmdline()]
    decoding.send_signal(signal.SIGSEGV)
    network.may.set()
    told = ended(http, address)
    assert (told["state"], told["errors"][0]["code"]) == ("failed", "failed_to_read_image")
    assert told["errors"][0]["detail"].startswith("The video is so damaged that its decoder crashes")
    assert ended(http, http.post(ROUTE, content=clip).headers["location"])["state"] == "done"
    assert (tariff.settled, tariff.refunded) == (1, 1)


def test_only_its_sender_sees_it(http: TestClient, clip: bytes) -> None:
    address = http.post(ROUTE, content=clip, headers={"x-api-key": "one"}).headers["location"]
    assert http.get(address, headers={"x-api-key": "other"}).status_code == 404
    assert http.delete(address, headers={"x-api-key": "other"}).status_code == 404
    assert ended(http, address, **{"x-api-key": "one"})["state"] == "done"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"format": "avi"}, "invalid_format"),
        ({"format": "mp4"}, "invalid_format"),
        ({"format": "stacked", "bg_color": "red"}, "invalid_bg_color"),
        ({"bg_color": "no-colour"}, "invalid_bg_color"),
        ({"tuft_preset": "best"}, "invalid_tuft_preset"),
        ({"fast": "perhaps"}, "invalid_parameter"),
    ],
)
def test_values_that_are_none(http: TestClient, clip: bytes, query: dict[str, str], code: str) -> None:
    answer = http.post(ROUTE, params=query, content=clip)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


def test_limits(http: TestClient, network: Held, clip: bytes) -> None:
    assert http.post(ROUTE, content=bytes(2**20 + 1)).json()["errors"][0]["code"] == "file_too_large"
    assert http.post(ROUTE, content=iter([bytes(2**19)] * 3)).json()["errors"][0]["code"] == "file_too_large"
    assert http.post(ROUTE, content=b"").json()["errors"][0]["code"] == "missing_source"
    network.may.clear()
    answers = [http.post(ROUTE, content=clip) for _ in range(9)]
    assert [answer.status_code for answer in answers] == [202] * 8 + [429]


def test_nothing_stays_when_the_gateway_ends(
    network: Held, clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    app = decoding_here(create_app(Client(transport=network), OPTIONS))
    network.may.clear()
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 50000)) as http:
        address = http.post(ROUTE, content=clip).headers["location"]
        while http.get(address).json()["state"] != "running":
            time.sleep(0.01)
        assert list(tmp_path.glob("tuft-videos-*"))
    assert not list(tmp_path.glob("tuft-videos-*"))


def test_without_the_option_there_is_no_such_route(client: Client, clip: bytes) -> None:
    app = decoding_here(create_app(client))
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 50000)) as http:
        assert http.post(ROUTE, content=clip).status_code in (404, 405)
        assert ROUTE not in http.get("/openapi.json").json()["paths"]
