"""rembg's protocol: a PNG for a file or a URL, with its options in the form or in the query."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient
from support.gateway import Website

from tuft import Client, Cutout
from tuft_gateway.fetch import Fetcher

ROUTE = "/api/remove"
# As `rembg s` documents them, and its script sends them.
EVERY_OPTION = {"model": "u2net", "a": "true", "af": "240", "ab": "10", "ae": "10", "om": "false", "ppm": "true",
                "bgc": "255,0,0,255", "extras": '{"sam_prompt": []}'}  # fmt: skip


@pytest.fixture
def cutout(client: Client, photograph: bytes) -> Cutout:
    return client.remove(photograph)


@pytest.fixture
def url(app: FastAPI, photograph: bytes) -> Iterator[str]:
    site = Website()

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    app.state.service.fetcher = Fetcher(
        10**7, 10.0, resolve=resolve, allowed=lambda address: address.is_loopback, ports=(site.port,)
    )
    yield site.answers("/dog.png", photograph)
    site.close()


def posted(http: TestClient, photograph: bytes, **fields: str) -> Any:
    return http.post(ROUTE, files={"file": ("dog.png", photograph)}, data=fields)


def test_a_file_is_cut_out(http: TestClient, photograph: bytes, cutout: Cutout) -> None:
    answer = posted(http, photograph)
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == cutout.to_bytes("png")
    assert answer.headers["x-tuft-preset"] == "standard"


def test_a_url_is_cut_out(http: TestClient, url: str, cutout: Cutout) -> None:
    assert http.get(ROUTE, params={"url": url}).content == cutout.to_bytes("png")
    coloured = http.get(ROUTE, params={"url": url, **EVERY_OPTION})
    assert coloured.content == cutout.to_bytes("png", background=(255, 0, 0, 255))


def test_options_are_taken_from_the_form_and_from_the_query(
    http: TestClient, photograph: bytes, cutout: Cutout
) -> None:
    red = cutout.to_bytes("png", background=(255, 0, 0))
    assert posted(http, photograph, **EVERY_OPTION).content == red
    assert http.post(ROUTE, params=EVERY_OPTION, files={"file": photograph}).content == red
    translucent = posted(http, photograph, bgc="0,0,255,100").content
    assert translucent == cutout.to_bytes("png", background=(0, 0, 255, 100))


def test_the_mask_is_alpha(http: TestClient, photograph: bytes, cutout: Cutout) -> None:
    with Image.open(io.BytesIO(posted(http, photograph, om="true").content)) as mask:
        assert mask.mode == "L"
        assert np.array_equal(np.asarray(mask), cutout.alpha)


def test_models_are_presets_or_served_ones(http: TestClient, photograph: bytes) -> None:
    for name, served in {"birefnet-general": "standard", "isnet-anime": "standard", "high": "high"}.items():
        assert posted(http, photograph, model=name).headers["x-tuft-preset"] == served
    assert posted(http, photograph, model="inspyrenet_384").headers["x-tuft-model"] == "inspyrenet_384"
    unknown = posted(http, photograph, model="not_served")
    assert (unknown.status_code, unknown.json()["errors"][0]["code"]) == (400, "invalid_tuft_model")


@pytest.mark.parametrize(
    "fields",
    [{"a": "maybe"}, {"af": "256"}, {"ab": "-1"}, {"ae": "many"}, {"om": "x"}, {"ppm": "x"}, {"bgc": "1,2,3"},
     {"bgc": "1,2,3,256"}, {"extras": "["}, {"extras": "[]"}, {"model": "../x"}],
)  # fmt: skip
def test_options_that_do_not_exist_are_refused(fields: dict[str, str], http: TestClient, photograph: bytes) -> None:
    assert posted(http, photograph, **fields).status_code == 400


def test_one_photograph_is_needed(http: TestClient, photograph: bytes) -> None:
    assert http.get(ROUTE).json()["errors"][0]["code"] == "invalid_image_url"
    assert http.post(ROUTE, files={"other": photograph}).json()["errors"][0]["code"] == "missing_source"
    two = [("file", ("a.png", photograph)), ("file", ("b.png", photograph))]
    assert http.post(ROUTE, files=two).json()["errors"][0]["code"] == "multiple_sources"
