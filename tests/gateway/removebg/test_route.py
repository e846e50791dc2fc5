"""`POST /v1.0/removebg` as its callers see it."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from tuft import Client


def bodies(photograph: bytes, fields: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The same request in the three forms of a body."""
    encoded = {"image_file_b64": base64.b64encode(photograph).decode(), **fields}
    return {
        "multipart": {"files": {"image_file": ("dog.png", photograph)}, "data": fields},
        "urlencoded": {"data": encoded},
        "json": {"json": encoded},
    }


@pytest.mark.parametrize("form", ["multipart", "urlencoded", "json"])
def test_the_answer_is_the_clients_own_cutout(form: str, http: TestClient, client: Client, photograph: bytes) -> None:
    answer = http.post("/v1.0/removebg", **bodies(photograph, {"size": "full", "format": "png"})[form])
    assert answer.status_code == 200, answer.text
    assert answer.content == client.remove(photograph).to_bytes("png")
    assert answer.headers["content-type"] == "image/png"


def test_json_is_answered_to_those_who_accept_only_json(http: TestClient, photograph: bytes) -> None:
    request = bodies(photograph, {"size": "full"})["multipart"]
    data = http.post("/v1.0/removebg", **request, headers={"Accept": "application/json"}).json()["data"]
    file = http.post("/v1.0/removebg", **request, headers={"Accept": "application/json, text/plain, */*"})
    assert base64.b64decode(data["result_b64"]) == file.content
    alpha = np.asarray(Image.open(io.BytesIO(file.content)))[..., 3]
    rows, columns = np.nonzero(alpha >= 13)  # 5 % of 255: what is visible
    assert data["foreground_top"] == rows.min()
    assert data["foreground_left"] == columns.min()
    assert data["foreground_height"] == np.ptp(rows) + 1
    assert data["foreground_width"] == np.ptp(columns) + 1
