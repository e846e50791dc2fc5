"""Keys, credits and limits as callers of the API see them."""

from __future__ import annotations

import io
import json
import stat
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from sqlalchemy import delete
from starlette.testclient import TestClient

from tuft import Client, FakeTransport
from tuft.operations.experiments import Experiment, Recorder, read_log
from tuft_gateway import create_app
from tuft_gateway.accounts import AccountMeter, KeyStore, Ledger, Prices, RateLimiter
from tuft_gateway.accounts.database import charges, keys, metadata
from tuft_gateway.improve import ReportStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

DEFINITION = """
name = "edges"
control = "now"
planned_units = 100
[variants.now]
weight = 1
[variants.new]
weight = 1
preset = "standard"
"""


@pytest.fixture
def picture() -> bytes:
    """A photograph of two megapixels."""
    file = io.BytesIO()
    Image.new("RGB", (2000, 1000), (120, 130, 140)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def key(engine: Engine) -> str:
    """A key with two credits a month."""
    return KeyStore(engine).add("shop", Decimal(2))[0]


@contextmanager
def gateway(
    engine: Engine, tmp_path: Path, *, megapixels: int = 500, experiment: Recorder | None = None
) -> Iterator[Any]:
    limiter = RateLimiter(megapixels_per_minute=megapixels, reports_per_day=2)
    prices = Prices({"maximum": Decimal(2)})
    meter = AccountMeter(KeyStore(engine), Ledger(engine), limiter, prices)
    client = Client(transport=FakeTransport(), preset="standard", experiment=experiment)
    app = create_app(client, meter=meter, reports=ReportStore(tmp_path / "reports", experiment))
    with TestClient(app, base_url="http://shop.example", client=("203.0.113.7", 50000)) as http:
        yield http


@pytest.fixture
def http(engine: Engine, tmp_path: Path) -> Iterator[TestClient]:
    with gateway(engine, tmp_path) as made:
        yield made


def post(http: TestClient, key: str | None, picture: bytes, **fields: str) -> Any:
    headers = {} if key is None else {"X-API-Key": key}
    data = {"size": "full", **fields}
    return http.post("/v1.0/removebg", headers=headers, files={"image_file": ("p.jpg", picture)}, data=data)


def code(answer: Any) -> str:
    return str(answer.json()["errors"][0]["code"])


def left(http: TestClient, key: str) -> float:
    answer = http.get("/v1.0/account", headers={"X-API-Key": key})
    return float(answer.json()["data"]["attributes"]["credits"]["total"])


def test_only_valid_keys_are_served(http: TestClient, key: str, picture: bytes, engine: Engine) -> None:
    for wrong in (None, "", "tuft_wrong", key[:-1]):
        answer = post(http, wrong, picture)
        assert (answer.status_code, code(answer)) == (403, "auth_failed")
    assert post(http, key, picture).status_code == 200
    bearer = http.get("/v1.0/account", headers={"Authorization": f"Bearer {key}"})
    assert bearer.status_code == 200
    KeyStore(engine).revoke(KeyStore(engine).all()[0].id)
    assert post(http, key, picture).status_code == 403


def test_a_result_costs_and_an_error_does_not(http: TestClient, key: str, picture: bytes) -> None:
    answer = post(http, key, picture)
    assert answer.headers["X-Credits-Charged"] == "1"
    assert answer.headers["X-RateLimit-Limit"] == "500"
    assert answer.headers["X-RateLimit-Remaining"] == "498"
    assert left(http, key) == 1
    assert post(http, key, b"no picture").status_code == 400
    assert post(http, key, picture, tuft_model="missing").status_code == 400
    assert left(http, key) == 1
    preview = post(http, key, picture, size="preview")
    assert preview.headers["X-Tuft-Credits-Charged"] == "0.25"
    assert left(http, key) == 0.75
    refused = post(http, key, picture)
    assert (refused.status_code, code(refused)) == (402, "insufficient_credits")
    assert "0.75" in refused.json()["errors"][0]["detail"]
    assert left(http, key) == 0.75


def test_a_preset_has_its_price(http: TestClient, key: str, picture: bytes) -> None:
    assert post(http, key, picture, tuft_preset="maximum").headers["X-Credits-Charged"] == "2"
    assert left(http, key) == 0


def test_megapixels_are_limited(engine: Engine, key: str, picture: bytes, tmp_path: Path) -> None:
    with gateway(engine, tmp_path, megapixels=3) as http:
        assert post(http, key, picture).status_code == 200
        refused = post(http, key, picture)
        assert (refused.status_code, code(refused)) == (429, "rate_limit_exceeded")
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
        assert left(http, key) == 1


def test_a_database_that_fails_is_not_the_callers_fault(http: TestClient, engine: Engine, key: str) -> None:
    with engine.begin() as connection:
        for table in (charges, keys):
            connection.execute(delete(table))
    metadata.drop_all(engine)
    try:
        answer = http.get("/v1.0/account", headers={"X-API-Key": key})
        assert (answer.status_code, code(answer)) == (503, "unavailable")
        assert "Retry-After" in answer.headers
    finally:
        metadata.create_all(engine)


def test_a_bad_result_is_kept_with_its_picture(http: TestClient, key: str, picture: bytes, tmp_path: Path) -> None:
    request_id = post(http, key, picture).headers["X-Tuft-Request-Id"]
    fields = {"tag": "whiskers", "error_type": "foreground-parts-missing", "tuft_request_id": request_id}
    files = {"image_file": ("cat.jpg", picture)}
    answer = http.post("/v1.0/improve", headers={"X-API-Key": key}, files=files, data=fields)
    report_id = answer.json()["id"]
    told = json.loads((tmp_path / "reports" / f"{report_id}.json").read_text())
    assert told["request_id"] == request_id
    assert (told["tag"], told["error_type"]) == ("whiskers", "foreground-parts-missing")
    assert (tmp_path / "reports" / f"{report_id}.picture").read_bytes() == picture
    assert stat.S_IMODE((tmp_path / "reports").stat().st_mode) == 0o700, "pictures of customers are not for all users"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "missing_source"),
        ({"tuft_request_id": "a", "tuft_rating": "6"}, "invalid_parameter"),
        ({"tuft_request_id": "a", "tag": "t" * 3000}, "invalid_parameter"),
        ({"image_url": "file:///etc/passwd"}, "invalid_image_url"),
    ],
)
def test_a_report_that_is_none(http: TestClient, key: str, fields: dict[str, str], expected: str) -> None:
    answer = http.post("/v1.0/improve", headers={"X-API-Key": key}, json=fields)
    assert (answer.status_code, code(answer)) == (400, expected)


def test_reports_are_limited_to_so_many_a_day(http: TestClient, key: str) -> None:
    for status in (200, 200, 429):
        answer = http.post("/v1.0/improve", headers={"X-API-Key": key}, json={"tuft_request_id": "a", "tag": "b"})
        assert answer.status_code == status


def test_a_rating_is_joined_to_its_variant(engine: Engine, key: str, picture: bytes, tmp_path: Path) -> None:
    definition = tmp_path / "edges.toml"
    definition.write_text(DEFINITION)
    recorder = Recorder(Experiment.from_toml(definition), tmp_path / "log")
    with gateway(engine, tmp_path, experiment=recorder) as http:
        request_id = post(http, key, picture).headers["X-Tuft-Request-Id"]
        rating = {"tuft_request_id": request_id, "tuft_rating": "2"}
        assert http.post("/v1.0/improve", headers={"X-API-Key": key}, json=rating).status_code == 200
    arms = read_log([tmp_path / "log"]).arms
    ratings = [rating for arm in arms.values() for rating in arm.rating if rating == rating]
    assert ratings == [2]
