"""The fields of remove.bg's protocol: what is taken, what is refused with which code, and the defaults."""

from __future__ import annotations

import base64

import pytest

from tuft_gateway.bodies import Form
from tuft_gateway.problems import ApiError
from tuft_gateway.removebg.fields import RemoveBgRequest, Source, request_from_form

FILE = {"image_file": (b"photograph",)}


def parsed(**fields: str) -> RemoveBgRequest:
    return request_from_form(Form(fields, FILE))


def code_of(form: Form) -> str:
    with pytest.raises(ApiError) as caught:
        request_from_form(form)
    assert caught.value.status == 400
    return caught.value.code


def test_the_defaults_are_those_of_the_protocol() -> None:
    assert parsed() == RemoveBgRequest(source=Source(b"photograph"))
    assert parsed().size == "preview"
    assert parsed().format == "auto"


@pytest.mark.parametrize(
    ("fields", "attribute", "value"),
    [
        ({"size": "4K"}, "size", "4k"),
        ({"size": "50mp"}, "size", "50MP"),
        ({"size": "regular"}, "size", "regular"),
        ({"format": "jpeg"}, "format", "jpg"),
        ({"format": "WebP"}, "format", "webp"),
        ({"roi": "0 0 100% 100%"}, "roi", "0 0 100% 100%"),
        ({"roi": "10px 20 30% 40%"}, "roi", "10px 20 30% 40%"),
        ({"crop": "True"}, "crop", True),
        ({"crop": "0"}, "crop", False),
        ({"crop_margin": "10px 5%"}, "crop_margin", "10px 5%"),
        ({"scale": "10%"}, "scale", "10%"),
        ({"position": "0% 100%"}, "position", "0% 100%"),
        ({"channels": "alpha"}, "alpha_only", True),
        ({"add_shadow": "true"}, "shadow", "natural"),
        ({"shadow_type": "3D"}, "shadow", "3D"),
        ({"shadow_type": "drop", "shadow_opacity": "70"}, "shadow_opacity", 70.0),
        ({"bg_color": "81d4fa"}, "colour", (0x81, 0xD4, 0xFA)),
        ({"bg_color": "#fff"}, "colour", (255, 255, 255)),
        ({"bg_color": "f008"}, "colour", (255, 0, 0, 0x88)),
        ({"bg_color": "81d4fa77"}, "colour", (0x81, 0xD4, 0xFA, 0x77)),
        ({"bg_color": "Green"}, "colour", (0, 128, 0)),
        ({"bg_color": "transparent"}, "colour", None),
        ({"bg_image_url": "https://example.com/a.png"}, "background", Source(url="https://example.com/a.png")),
        ({"type": "graphics"}, "type_level", "1"),
        ({"type_level": "none"}, "type_level", "none"),
        ({"semitransparency": "false"}, "size", "preview"),
        ({"tuft_preset": "maximum"}, "preset", "maximum"),
        ({"tuft_model": "my_model.v2"}, "model", "my_model.v2"),
        ({"tuft_refine": "none"}, "refine", "none"),
        ({"a_field_of_tomorrow": "x"}, "size", "preview"),
    ],
)
def test_allowed_values(fields: dict[str, str], attribute: str, value: object) -> None:
    assert getattr(parsed(**fields), attribute) == value


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "size": ["huge", "0", "preview full", "1MP"],
        "type": ["cat", "1"],
        "type_level": ["3", "all"],
        "format": ["gif", "tiff", "png8", "../png"],
        "roi": ["1 2 3", "a b c d", "0% 0% 100%", "-1 0 5 5", "1e9 0 1 1", "0 0 0 0 0", "0% 0% 100% 100%;"],
        "crop": ["maybe", "2"],
        "crop_margin": ["501px", "51%", "-1px", "1 2 3", "10em", "1 2 3 4 5"],
        "scale": ["9%", "101%", "1", "0.5", "-50%"],
        "position": ["101%", "left", "1% 2% 3%", "-5%"],
        "channels": ["rgb", "a"],
        "add_shadow": ["maybe"],
        "shadow_type": ["long", "5D"],
        "shadow_opacity": ["101", "-1", "much"],
        "semitransparency": ["perhaps"],
        "bg_color": ["#12345", "nocolour", "12,3,4", "1" * 200, "rgb(0,0,0"],
        "tuft_preset": ["best", "../high"],
        "tuft_model": ["../model", "a b", "x" * 101],
        "tuft_refine": ["all"],
    }.items(),
)
def test_refused_values(name: str, values: list[str]) -> None:
    for value in values:
        assert code_of(Form({name: value}, FILE)) == f"invalid_{name}"


def test_exactly_one_photograph() -> None:
    encoded = base64.b64encode(b"photograph").decode()
    assert code_of(Form()) == "missing_source"
    assert code_of(Form({"image_file": "its bytes without a filename"})) == "missing_source"
    assert code_of(Form({"image_url": "https://example.com"}, FILE)) == "multiple_sources"
    assert code_of(Form({"image_file_b64": encoded}, FILE)) == "multiple_sources"
    assert code_of(Form({}, {"image_file": (b"a", b"b")})) == "multiple_sources"
    for form in (encoded, f"data:image/png;base64,{encoded}", "\n".join(encoded)):
        assert request_from_form(Form({"image_file_b64": form})).source == Source(b"photograph")
    assert code_of(Form({"image_file_b64": "no base64!"})) == "failed_to_read_image"
    for url in ("no url", "ftp://example.com/a.png", "http://user@example.com/", "https://"):
        assert code_of(Form({"image_url": url})) == "invalid_image_url"


def test_at_most_one_background() -> None:
    both = {"bg_color": "red", "bg_image_url": "https://example.com/a.png"}
    assert code_of(Form(both, FILE)) == "multiple_bg_sources"
    assert code_of(Form({"bg_color": "red"}, {**FILE, "bg_image_file": (b"a",)})) == "multiple_bg_sources"
    assert code_of(Form({}, {**FILE, "bg_image_file": (b"a", b"b")})) == "multiple_bg_sources"
    assert code_of(Form({"bg_image_url": "file:///etc/passwd"}, FILE)) == "invalid_bg_image_url"
    assert request_from_form(Form({}, {**FILE, "bg_image_file": (b"a",)})).background == Source(b"a")
