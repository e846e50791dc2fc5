"""Every code of the table is provoked over HTTP, with its status and the shape that clients parse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from support.gateway import decoding_here

from tuft import Client, FakeTransport, errors
from tuft.imaging import encode
from tuft_gateway import GatewayOptions, create_app
from tuft_gateway.metering import Caller, Charge, FreeCharge, FreeMeter, Use
from tuft_gateway.problems import CODES, ApiError

Post = Callable[..., Any]
ROUTE = "/v1.0/removebg"
# Not provoked by a caller alone: the first is seen by nobody, the others have tests of their own.
ELSEWHERE = {"client_closed_request", "body_timeout", "invalid_request", "not_ready"}


class StrictMeter:
    """Refuses as the keys that it gets say."""

    async def admit(self, headers: Mapping[str, str], host: str | None) -> Caller:
        if headers.get("x-api-key") == "wrong":
            raise ApiError("auth_failed")
        return Caller(headers.get("x-api-key", ""))

    async def reserve(self, caller: Caller, use: Use) -> Charge:
        if caller.account == "poor":
            raise ApiError("insufficient_credits")
        if caller.account == "fast":
            raise ApiError("rate_limit_exceeded")
        return FreeCharge()


@pytest.fixture
def small_app(client: Client) -> FastAPI:
    """Limits that are easily exceeded."""
    options = GatewayOptions(max_file_bytes=200_000, max_pixels=100_000, fetch=False)
    return decoding_here(create_app(client, options, StrictMeter()))


@pytest.fixture
def caller(small_app: FastAPI) -> Iterator[TestClient]:
    with TestClient(
        small_app, base_url="http://localhost:8080", client=("127.0.0.1", 1), raise_server_exceptions=False
    ) as made:
        yield made


def png(pixels: Any) -> bytes:
    return encode(np.asarray(pixels, np.uint8), "png")


def provoke(code: str, caller: TestClient, photograph: bytes, fake: FakeTransport) -> Any:
    """The answer to a request that deserves `code`."""
    file = {"image_file": ("dog.png", photograph)}
    name = code.removeprefix("invalid_")
    if code in ("invalid_image_url", "failed_image_download"):
        url = "file:///etc/passwd" if code == "invalid_image_url" else "http://example.com/a.png"
        return caller.post(ROUTE, data={"image_url": url})
    if code in ("invalid_bg_image_url", "failed_bg_download"):
        url = "file:///etc/passwd" if code == "invalid_bg_image_url" else "http://example.com/a.png"
        return caller.post(ROUTE, data={"bg_image_url": url}, files=file)
    if code.startswith("invalid_") and name not in ("body", "dimensions", "file_type", "parameter", "tuft_prompt"):
        return caller.post(ROUTE, data={name: "?"}, files=file)
    failures: dict[str, Exception] = {
        "too_busy": errors.ServerBusyError("full"),
        "internal_error": errors.SetupError("no /srv/secret"),
        "model_failed": errors.InferenceError("CUDA error"),
        "unavailable": errors.ServerTimeoutError("slow"),
    }
    if code in failures:
        fake.failures.extend([failures[code]] * 8)
        return caller.post(ROUTE, files=file)
    line = png(np.repeat([[(30, 90, 160)] * 9000 + [(200, 120, 40)] * 8000], 3, axis=0))
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3))
    requests: dict[str, Callable[[], Any]] = {
        "failed_to_read_image": lambda: caller.post(ROUTE, files={"image_file": ("dog.png", photograph[:-300])}),
        "file_too_large": lambda: caller.post(ROUTE, files={"image_file": ("dog.png", png(noise))}),
        "invalid_dimensions": lambda: caller.post(
            ROUTE,
            files={"image_file": ("line.png", line)},
            data={"format": "webp", "size": "full"},
        ),
        "invalid_file_type": lambda: caller.post(ROUTE, files={"image_file": ("dog.png", b"%PDF-1.7")}),
        "missing_source": lambda: caller.post(ROUTE, data={"size": "full"}),
        "multiple_bg_sources": lambda: caller.post(
            ROUTE, files={**file, "bg_image_file": ("b.png", photograph)}, data={"bg_color": "red"}
        ),
        "multiple_sources": lambda: caller.post(ROUTE, files=file, data={"image_url": "http://example.com"}),
        "resolution_too_high": lambda: caller.post(
            ROUTE, files={"image_file": ("large.png", png(np.zeros((400, 400, 3))))}
        ),
        "roi_exceeds_bounds": lambda: caller.post(ROUTE, files=file, data={"roi": "0 0 9999px 10px"}),
        "roi_region_empty": lambda: caller.post(ROUTE, files=file, data={"roi": "50% 0% 50% 100%"}),
        "invalid_tuft_prompt": lambda: caller.post(ROUTE, files=file, data={"tuft_box": "0 0 9999 9999"}),
        "tuft_points_unavailable": lambda: caller.post(ROUTE, files=file, data={"tuft_points": "9 9"}),
        "unknown_foreground": lambda: caller.post(
            ROUTE, files={"image_file": ("empty.png", png(np.full((90, 90, 3), (30, 90, 160))))}
        ),
        "insufficient_credits": lambda: caller.post(ROUTE, files=file, headers={"X-Api-Key": "poor"}),
        "auth_failed": lambda: caller.post(ROUTE, files=file, headers={"X-Api-Key": "wrong"}),
        "rate_limit_exceeded": lambda: caller.post(ROUTE, files=file, headers={"X-Api-Key": "fast"}),
        "invalid_body": lambda: caller.post(ROUTE, content=b"[", headers={"Content-Type": "application/json"}),
        "invalid_parameter": lambda: caller.post("/api/remove", files={"file": photograph}, data={"af": "many"}),
        "not_found": lambda: caller.get("/v2.0/removebg"),
        "method_not_allowed": lambda: caller.get(ROUTE),
        "body_too_large": lambda: caller.post(ROUTE, files={"image_file": ("dog.png", bytes(2_000_000))}),
        "unsupported_media_type": lambda: caller.post(ROUTE, content=photograph, headers={"Content-Type": "image/png"}),
    }
    return requests[code]()


@pytest.mark.parametrize("code", sorted(CODES.keys() - ELSEWHERE - {"forbidden_origin"}))
def test_each_code_has_its_status_and_shape(
    code: str, caller: TestClient, photograph: bytes, fake: FakeTransport
) -> None:
    answer = provoke(code, caller, photograph, fake)
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    (problem,) = told["errors"]
    assert problem["code"] == code
    assert answer.status_code == CODES[code][0]
    assert problem["title"] == CODES[code][1]
    assert problem.keys() <= {"title", "code", "detail"}
    assert "secret" not in answer.text
    assert ("retry-after" in answer.headers) == (answer.status_code in (429, 503))


def test_pages_of_other_sites_are_refused_without_keys(http: TestClient, photograph: bytes) -> None:
    file = {"image_file": ("dog.png", photograph)}
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}):
        answer = http.post(ROUTE, files=file, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "forbidden_origin")
        assert "access-control-allow-origin" not in answer.headers
    ours = http.post(ROUTE, files=file, headers={"Origin": "http://localhost:3000"})
    assert ours.status_code == 200
    assert ours.headers["access-control-allow-origin"] == "http://localhost:3000"
    preflight = {"Origin": "http://127.0.0.1:3000", "Access-Control-Request-Method": "POST"}
    assert http.options(ROUTE, headers=preflight).status_code == 204


def test_other_machines_are_refused_without_keys(app: FastAPI, photograph: bytes) -> None:
    with TestClient(app, base_url="http://localhost", client=("192.168.1.7", 1)) as stranger:
        answer = stranger.post(ROUTE, files={"image_file": ("dog.png", photograph)})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "auth_failed")


def test_with_keys_any_page_may_ask(caller: TestClient, photograph: bytes) -> None:
    headers = {"Origin": "https://shop.example", "X-Api-Key": "k"}
    answer = caller.post(ROUTE, files={"image_file": ("dog.png", photograph)}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"


class CountingMeter(FreeMeter):
    """Reserves two credits for each photograph and keeps what becomes of them."""

    def __init__(self) -> None:
        self.uses: list[Use] = []
        self.settled = self.refunded = 0

    async def reserve(self, caller: Caller, use: Use) -> Charge:
        self.uses.append(use)
        meter = self

        class Reserved:
            credits = Decimal("1.5")
            headers: Mapping[str, str] = {"X-RateLimit-Limit": "500"}

            async def settle(self) -> None:
                meter.settled += 1

            async def refund(self) -> None:
                meter.refunded += 1

        return Reserved()


def test_a_result_is_charged_once_and_an_error_never(client: Client, photograph: bytes, fake: FakeTransport) -> None:
    meter = CountingMeter()
    app = decoding_here(create_app(client, meter=meter))
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 1)) as caller:
        file = {"image_file": ("dog.png", photograph)}
        good = caller.post(ROUTE, files=file, data={"size": "full", "tuft_preset": "high"})
        assert (meter.settled, meter.refunded) == (1, 0)
        assert good.headers["X-Credits-Charged"] == "1"  # clients parse it with int()
        assert good.headers["X-Tuft-Credits-Charged"] == "1.5"
        assert good.headers["X-RateLimit-Limit"] == "500"
        assert meter.uses[0] == replace(meter.uses[0], preset="high", megapixels=0.0192, preview=False)
        fake.failures.append(errors.InferenceError("broken"))
        assert caller.post(ROUTE, files=file).status_code == 502
        assert (meter.settled, meter.refunded) == (1, 1)
        assert meter.uses[1].preview
        caller.post(ROUTE, files=file, data={"size": "?"})
        caller.post(ROUTE, files={"image_file": ("dog.png", b"none")})
        assert len(meter.uses) == 2  # nothing was reserved for what is refused before


def test_auto_is_the_largest_size_that_the_credits_allow(client: Client, photograph: bytes) -> None:
    class PoorMeter(CountingMeter):
        async def reserve(self, caller: Caller, use: Use) -> Charge:
            if not use.preview:
                raise ApiError("insufficient_credits")
            return await super().reserve(caller, use)

    meter = PoorMeter()
    app = decoding_here(create_app(client, meter=meter))
    with TestClient(app, base_url="http://localhost", client=("127.0.0.1", 1)) as caller:
        file = {"image_file": ("dog.png", photograph)}
        assert caller.post(ROUTE, files=file, data={"size": "full"}).status_code == 402
        assert caller.post(ROUTE, files=file, data={"size": "auto"}).status_code == 200
        assert [use.preview for use in meter.uses] == [True]
        assert (meter.settled, meter.refunded) == (1, 0)
