"""`POST /v1.0/removebg` in the words of OpenAPI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tuft.presets import PRESETS, REFINEMENTS
from tuft_gateway.problems import CODES
from tuft_gateway.removebg.fields import SHADOWS, SIZES, TYPE_LEVELS, TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping


def _text(description: str, default: str | None = None, choices: tuple[str, ...] = ()) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "description": description}
    if choices:
        schema["enum"] = list(choices)
    return schema if default is None else {**schema, "default": default}


def _boolean(description: str, *, default: bool) -> dict[str, Any]:
    return {"type": "boolean", "description": description, "default": default}


FILES: Final[Mapping[str, dict[str, Any]]] = {
    "image_file": {
        "type": "string",
        "format": "binary",
        "description": "The photograph, at most 22 MB and 50 megapixels.",
    },
    "bg_image_file": {
        "type": "string",
        "format": "binary",
        "description": "A picture behind the subject, centred and scaled to cover the frame.",
    },
}
FIELDS: Final[Mapping[str, dict[str, Any]]] = {
    "image_file_b64": _text("The photograph in base64."),
    "image_url": _text("The URL of the photograph, http or https, on a public host."),
    "size": _text(
        "Megapixels of the result: preview 0.25, medium 1.5, hd 4, full 25 (png 10), 50MP 50 (png 10); auto is the "
        "largest that the credits allow, up to full.",
        "preview",
        tuple(SIZES),
    ),
    "type": _text("What the photograph shows. Accepted, and not needed.", "auto", TYPES),
    "type_level": _text("How X-Type is answered: none leaves it out.", "1", TYPE_LEVELS),
    "format": _text("auto is png for a transparent result, else jpg.", "auto", ("auto", "png", "jpg", "webp", "zip")),
    "roi": _text("Where the subject is: x1 y1 x2 y2 in px or %.", "0% 0% 100% 100%"),
    "crop": _boolean("Whether the result is cropped to the subject.", default=False),
    "crop_margin": _text("With crop: 1, 2 or 4 margins, at most 50% of the subject or 500px each.", "0"),
    "scale": _text("original, or how much of the frame the subject fills, 10% to 100%.", "original"),
    "position": _text("original, center, or one or two values of 0% to 100%; center with a scale.", "original"),
    "channels": _text("rgba, or the alpha channel alone.", "rgba", ("rgba", "alpha")),
    "add_shadow": _boolean("A shadow under the subject; use shadow_type.", default=False),
    "shadow_type": _text("The kind of shadow.", "none", SHADOWS),
    "shadow_opacity": _text("Of the shadow, 0 to 100.", "50"),
    "semitransparency": _boolean("Accepted; it changes nothing.", default=True),
    "bg_color": _text("Behind the subject: 3, 4, 6 or 8 hexadecimal digits with or without #, or a name."),
    "bg_image_url": _text("The URL of a picture behind the subject."),
    "tuft_preset": _text("tuft's preset; that of the gateway by default.", None, tuple(PRESETS)),
    "tuft_model": _text("Another served model."),
    "tuft_points": _text(
        "Pixels on the subject that is meant, x y, separated by semicolons; those beside it after the word not: "
        "120 80; not 300 40. The service needs a model that takes points."
    ),
    "tuft_box": _text("A box around the subject that is meant: x1 y1 x2 y2 in pixels of the upright photograph."),
    "tuft_refine": _text("Another refinement.", None, tuple(REFINEMENTS)),
}

_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_RESULT: Final = {
    "type": "object",
    "properties": {
        "data": {
            "type": "object",
            "properties": {
                "result_b64": {"type": "string"},
                **{f"foreground_{name}": {"type": "integer"} for name in ("top", "left", "width", "height")},
            },
        }
    },
}
_ERRORS: Final = {
    "type": "object",
    "properties": {
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"title": {"type": "string"}, "code": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["title", "code"],
            },
        }
    },
}


def _responses() -> dict[str, Any]:
    statuses = sorted({status for status, _ in CODES.values()})
    codes = {status: [code for code, (each, _) in CODES.items() if each == status] for status in statuses}
    errors = {
        str(status): {
            "description": f"Codes: {', '.join(codes[status])}.",
            "content": {"application/json": {"schema": _ERRORS}},
        }
        for status in statuses
    }
    pictures = dict.fromkeys(("image/png", "image/jpeg", "image/webp", "application/zip"), _BINARY)
    done = {"description": "The result.", "content": {**pictures, "application/json": {"schema": _RESULT}}}
    return {"200": done, **errors}


OPERATION: Final[Mapping[str, Any]] = {
    "description": "Exactly one of image_file, image_file_b64 and image_url is required, and at most one of bg_color, "
    "bg_image_url and bg_image_file. The header Accept: application/json asks for JSON instead of the file. "
    "Clients of remove.bg work by changing their base URL.",
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": {"type": "object", "properties": {**FILES, **FIELDS}}},
            "application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": dict(FIELDS)}},
            "application/json": {"schema": {"type": "object", "properties": dict(FIELDS)}},
        },
    },
    "responses": _responses(),
}
