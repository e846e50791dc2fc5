"""rembg's protocol, `GET` and `POST /api/remove`, for scripts and plug-ins written for `rembg s`.

What tuft does in any case (alpha matting) or has no use for (its thresholds, extras) is checked and changes nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi import APIRouter, Request, Response

from tuft import imaging
from tuft.presets import PRESETS
from tuft_gateway.cutting import Asked, Cutting, answered, tuft_headers
from tuft_gateway.fetch import FetchError, checked_url
from tuft_gateway.problems import ApiError
from tuft_gateway.sending import BoundedResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft import Cutout
    from tuft_gateway.bodies import Form
    from tuft_gateway.service import Service

# Names of rembg's models: they are answered by the default preset, so that a script need not be changed.
_REMBG_MODELS: Final = re.compile(r"(u2net|silueta|isnet|birefnet|bria|ben2|sam|withoutbg|dis_)[a-z0-9_.-]*")
_MODEL: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_LEVELS: Final = {"af": 255, "ab": 255, "ae": 100}  # the largest values


_OPTIONS: Final = {
    "model": "One of tuft's presets, or a served model; a name of rembg's models is answered by the default preset.",
    "a": "Alpha matting; tuft always does it.",
    "af": "Foreground threshold of alpha matting; not needed.",
    "ab": "Background threshold of alpha matting; not needed.",
    "ae": "Erosion of alpha matting; not needed.",
    "om": "Whether the answer is the mask alone.",
    "ppm": "Post-processing of the mask; not needed.",
    "bgc": "Behind the subject: red, green, blue, alpha, each 0 to 255.",
    "extras": "A JSON object; not needed.",
}
_PROPERTIES: Final = {name: {"type": "string", "description": text} for name, text in _OPTIONS.items()}
_QUERY: Final = [
    {"name": name, "in": "query", "required": name == "url", "schema": {"type": "string"}, "description": text}
    for name, text in {"url": "The URL of the photograph.", **_OPTIONS}.items()
]
_FILE: Final = {"type": "string", "format": "binary", "description": "The photograph."}
_FORM: Final = {"schema": {"type": "object", "properties": {"file": _FILE, **_PROPERTIES}, "required": ["file"]}}
_RESPONSES: Final = {"200": {"description": "A PNG.", "content": {"image/png": {}}}}


@dataclass(frozen=True)
class RembgRequest:
    """The options of a request.

    Attributes:
        asked: How to cut out.
        mask: Whether the answer is alpha alone.
        background: Red, green, blue and alpha, 0..255; None for none.
    """

    asked: Asked
    mask: bool = False
    background: tuple[int, int, int, int] | None = None


def router(service: Service) -> APIRouter:
    """The routes of rembg's protocol."""
    routes = APIRouter(prefix="/api", tags=["rembg's protocol"])

    @routes.get(
        "/remove",
        summary="Remove the background of a photograph at a URL",
        openapi_extra={"parameters": _QUERY, "responses": _RESPONSES},
    )
    async def get(request: Request) -> Response:
        return await answered(service, request, partial(_of_url, query=dict(request.query_params)))

    @routes.post(
        "/remove",
        summary="Remove the background of a photograph",
        openapi_extra={"requestBody": {"content": {"multipart/form-data": _FORM}}, "responses": _RESPONSES},
    )
    async def post(request: Request) -> Response:
        return await answered(service, request, partial(_of_file, query=dict(request.query_params)))

    return routes


def request_from_fields(fields: Mapping[str, str]) -> RembgRequest:
    """Validates the options of a request.

    Raises:
        ApiError: An option has no such value.
    """
    _boolean(fields, "a")
    _boolean(fields, "ppm")
    for name, largest in _LEVELS.items():
        _number(fields, name, largest)
    _extras(fields.get("extras"))
    return RembgRequest(_asked(fields.get("model", "")), _boolean(fields, "om"), _background(fields.get("bgc")))


def _asked(name: str) -> Asked:
    """The preset or the served model of that name."""
    if not name or _REMBG_MODELS.fullmatch(name):
        return Asked()
    if name in PRESETS:
        return Asked(preset=name)
    if not _MODEL.fullmatch(name):
        raise ApiError("invalid_tuft_model", "A model's name has letters, digits, and the signs _ . and -.")
    return Asked(model=name)


def _boolean(fields: Mapping[str, str], name: str) -> bool:
    text = fields.get(name, "false").lower()
    if text not in ("true", "false", "1", "0", "on", "off", "yes", "no"):
        raise ApiError("invalid_parameter", f"{name} is true or false.")
    return text in ("true", "1", "on", "yes")


def _number(fields: Mapping[str, str], name: str, largest: int) -> None:
    text = fields.get(name, "0")
    if not re.fullmatch(r"\d{1,3}", text) or int(text) > largest:
        raise ApiError("invalid_parameter", f"{name} is a number from 0 to {largest}.")


def _background(text: str | None) -> tuple[int, int, int, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*", text)
    levels = [int(each) for each in match.groups()] if match else []
    if not levels or max(levels) > 255:
        raise ApiError("invalid_bg_color", "bgc is red, green, blue, alpha, each 0 to 255, such as 255,255,255,255.")
    red, green, blue, alpha = levels
    return (red, green, blue, alpha)


def _extras(text: str | None) -> None:
    try:
        is_object = not text or isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise ApiError("invalid_parameter", "extras is a JSON object.")


def _file(form: Form) -> bytes:
    files = form.files.get("file", ())
    if len(files) > 1:
        raise ApiError("multiple_sources", "Give one file, not several.")
    if not files:
        raise ApiError("missing_source", "Give a photograph in the field file, with a filename.")
    return files[0]


async def _of_url(cutting: Cutting, _form: Form, *, query: Mapping[str, str]) -> BoundedResponse:
    options = request_from_fields(query)
    try:
        url = str(checked_url(query.get("url", "")))
    except FetchError as exc:
        raise ApiError("invalid_image_url", "Give url, an http or https URL with a public host.") from exc
    return await _answer(cutting, options, await cutting.fetched(url, "failed_image_download"))


async def _of_file(cutting: Cutting, form: Form, *, query: Mapping[str, str]) -> BoundedResponse:
    # rembg's own clients send options in the form, older ones in the query.
    return await _answer(cutting, request_from_fields({**query, **form.fields}), _file(form))


async def _answer(cutting: Cutting, request: RembgRequest, content: bytes) -> BoundedResponse:
    async with cutting.turn():
        photo = await cutting.photo(content)
        async with cutting.charged(photo, request.asked) as charge:

            def work() -> tuple[bytes, dict[str, str]]:
                cutout = cutting.cut_out(photo, request.asked)
                return _png(cutout, request), tuft_headers(cutout)

            body, told = await cutting.run(work)
    headers = {**told, **cutting.charge_headers(charge)}
    timeout_s = cutting.service.options.answer_timeout_s
    return BoundedResponse(body, media_type="image/png", headers=headers, timeout_s=timeout_s, after=charge.settle)


def _png(cutout: Cutout, request: RembgRequest) -> bytes:
    if request.mask:
        return imaging.encode(cutout.alpha, "png")
    return cutout.to_bytes("png", background=request.background)
