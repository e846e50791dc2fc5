"""The answer 200 of `POST /v1.0/removebg`: the file itself or JSON, and its headers."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tuft_gateway.removebg.fields import RemoveBgRequest
    from tuft_gateway.removebg.rendering import Rendered

# We do not know what a photograph shows, and do not pretend to.
UNKNOWN_TYPE: Final = "other"


def wants_json(accept: str) -> bool:
    """Whether the header `Accept` asks for JSON; axios, which accepts everything by default, gets the file."""
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return "application/json" in kinds and not any(kind == "*/*" or kind.startswith("image/") for kind in kinds)


def json_content(rendered: Rendered) -> bytes:
    """The answer as JSON."""
    box = rendered.foreground
    data = {
        "result_b64": base64.b64encode(rendered.content).decode("ascii"),
        "foreground_top": box.top,
        "foreground_left": box.left,
        "foreground_width": box.width,
        "foreground_height": box.height,
    }
    return json.dumps({"data": data}).encode("ascii")


def headers(rendered: Rendered, request: RemoveBgRequest) -> dict[str, str]:
    """The headers that describe the picture."""
    box = rendered.foreground
    described = {
        "X-Width": rendered.size_wh[0],
        "X-Height": rendered.size_wh[1],
        "X-Max-Width": rendered.max_size_wh[0],
        "X-Max-Height": rendered.max_size_wh[1],
        "X-Foreground-Top": box.top,
        "X-Foreground-Left": box.left,
        "X-Foreground-Width": box.width,
        "X-Foreground-Height": box.height,
    }
    kind = {} if request.type_level == "none" else {"X-Type": UNKNOWN_TYPE}
    return {**kind, **{name: str(value) for name, value in described.items()}}
