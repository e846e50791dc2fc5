"""`/docs` and `/openapi.json` describe what the routes take, and load nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuft_gateway.bodies import Form
from tuft_gateway.problems import CODES
from tuft_gateway.removebg.fields import RemoveBgRequest, Source, request_from_form
from tuft_gateway.removebg.openapi import FIELDS, FILES

if TYPE_CHECKING:
    from starlette.testclient import TestClient

FIELDS_OF_REMOVE_BG = (
    "image_file", "image_file_b64", "image_url", "size", "type", "type_level", "format", "roi", "crop",
    "crop_margin", "scale", "position", "channels", "add_shadow", "shadow_type", "shadow_opacity",
    "semitransparency", "bg_color", "bg_image_url", "bg_image_file",
)  # fmt: skip


def test_every_field_of_the_protocol_is_described() -> None:
    described = {*FIELDS, *FILES}
    assert set(FIELDS_OF_REMOVE_BG) <= described
    own = {f"tuft_{name}" for name in ("preset", "model", "refine", "points", "box")}
    assert described - set(FIELDS_OF_REMOVE_BG) == own


def test_the_defaults_described_are_taken_and_change_nothing() -> None:
    defaults = {name: str(schema["default"]) for name, schema in FIELDS.items() if "default" in schema}
    parsed = request_from_form(Form(defaults, {"image_file": (b"a",)}))
    plain = RemoveBgRequest(source=Source(b"a"), roi=defaults["roi"], position="original")
    assert parsed == plain
    for name, schema in FIELDS.items():
        for choice in schema.get("enum", ()):
            request_from_form(Form({name: choice}, {"image_file": (b"a",)}))


def test_every_code_is_described(http: TestClient) -> None:
    text = http.get("/openapi.json").text
    assert [code for code in CODES if code not in text] == []


def test_the_page_has_all_routes_and_loads_nothing(http: TestClient) -> None:
    answer = http.get("/docs")
    for path in ("/v1.0/removebg", "/v1.0/account", "/api/remove", "/health", "/ready", "/metrics"):
        assert path in answer.text
    assert not re.search(r"<script|src=|https?://|@import|url\(", answer.text)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
