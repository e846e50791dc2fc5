"""What web pages may do: with keys any page may ask, without them only pages of this machine.

Without keys, every page that the user visits could otherwise use the gateway on the user's machine: by asking across
origins, or by giving its own name the address 127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response

from tuft_gateway.options import is_loopback
from tuft_gateway.problems import ApiError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EXPOSED: Final = (
    "X-Type, X-Width, X-Height, X-Max-Width, X-Max-Height, X-Credits-Charged, X-Foreground-Top, X-Foreground-Left, "
    "X-Foreground-Width, X-Foreground-Height, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, "
    "Retry-After, X-Tuft-Request-Id, X-Tuft-Preset, X-Tuft-Model, X-Tuft-Model-Version, X-Tuft-Quality-Score, "
    "X-Tuft-Prompt-Agreement, X-Tuft-Credits-Charged"
)
_SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
}


class BrowserPolicy:
    """Middleware: CORS, the names that the gateway answers to, and the headers that protect its page.

    Args:
        app: The application.
        open_to_all: Whether callers need keys, so that any page may ask.
    """

    def __init__(self, app: ASGIApp, *, open_to_all: bool) -> None:
        self._app = app
        self._open_to_all = open_to_all

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers preflights itself, refuses foreign pages, and adds headers to all other answers."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        added = {**_SECURITY, **self._cors(headers.get("origin"))}
        answer: ASGIApp = self._app
        if not self._open_to_all and not self._is_local(headers):
            error = ApiError("forbidden_origin", "Without keys only pages and names of this machine are served.")
            answer = JSONResponse(error.to_dict(), error.status)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            allowed = {
                "Access-Control-Allow-Methods": "GET, POST, DELETE",
                "Access-Control-Allow-Headers": "*, X-API-Key",
            }
            answer = Response(status_code=204, headers=allowed)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                for name, value in added.items():
                    told.setdefault(name, value)
            await send(message)

        return await answer(scope, receive, send_with_headers)

    def _is_local(self, headers: Headers) -> bool:
        """Whether the request names this machine, and comes from no page, or from one of this machine."""
        origin = headers.get("origin")
        host = _hostname(f"//{headers.get('host', '')}")
        return is_loopback(host) and (origin is None or is_loopback(_hostname(origin)))

    def _cors(self, origin: str | None) -> dict[str, str]:
        if self._open_to_all:
            allowed = "*"
        elif origin is not None and is_loopback(_hostname(origin)):
            allowed = origin
        else:
            return {}
        return {"Access-Control-Allow-Origin": allowed, "Access-Control-Expose-Headers": _EXPOSED, "Vary": "Origin"}


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
