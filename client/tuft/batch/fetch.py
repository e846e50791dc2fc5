"""Fetches a photograph from the web, bounded in bytes, time and redirects; what it is, decoding tells."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import tuft
from tuft.errors import ImageError, ImageNotFoundError, ImageTooLargeError, NotAnImageError, TruncatedImageError
from tuft.text import shown

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from typing import IO

TIMEOUT_S: Final = 60.0
_SILENCE_S: Final = 15.0  # for a connection, and between two blocks
_BLOCK_BYTES: Final = 1 << 16
_GONE: Final = (404, 410)


class _Redirects(HTTPRedirectHandler):
    """Follows a few redirects, to http and https alone: urllib would go on to ftp."""

    max_redirections = 5
    max_repeats = 2

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise HTTPError(req.full_url, code, "it leads to another kind of address", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(address: str, *, max_bytes: int, timeout_s: float = TIMEOUT_S) -> bytes:
    """Fetches the contents of `address`.

    Args:
        address: An http or https URL. Proxies are taken from the environment, as by other programs.
        max_bytes: The largest file; no more is read.
        timeout_s: Seconds for all of it, redirects included.

    Raises:
        ImageNotFoundError: The server has no such file.
        ImageTooLargeError: It has more than `max_bytes`.
        TruncatedImageError: The connection ended early.
        NotAnImageError: It cannot be fetched for another reason, or takes longer than `timeout_s`.
    """
    ends_s = time.monotonic() + timeout_s
    # Characters that a browser's address line shows but HTTP does not allow, such as spaces and umlauts.
    quoted = quote(address, safe="%/:=&?~#+!$,;'@()*[]")
    try:
        request = Request(quoted, headers={"User-Agent": f"tuft/{tuft.__version__}"})
        with build_opener(_Redirects).open(request, timeout=min(_SILENCE_S, timeout_s)) as answer:
            return _content(answer, address, max_bytes, ends_s)
    except ImageError:
        raise
    except HTTPError as exc:
        exc.close()
        kind = ImageNotFoundError if exc.code in _GONE else NotAnImageError
        raise kind(f"{shown(address)} cannot be fetched (HTTP {exc.code}, {exc.reason}): check the address.") from exc
    except http.client.IncompleteRead as exc:
        raise TruncatedImageError(f"{shown(address)} ended early: try again.") from exc
    except (OSError, ValueError, http.client.HTTPException) as exc:
        cause = exc.reason if isinstance(exc, URLError) else exc
        reason = getattr(cause, "strerror", None) or shown(str(cause)) or type(cause).__name__
        raise NotAnImageError(f"{shown(address)} cannot be fetched ({reason}): check the address.") from exc


def _content(answer: HTTPResponse, address: str, max_bytes: int, ends_s: float) -> bytes:
    content = bytearray()
    while block := answer.read1(_BLOCK_BYTES):  # not read, which waits for a whole block of a server that drips
        content += block
        if len(content) > max_bytes:
            raise ImageTooLargeError(
                f"{shown(address)} has more than the {max_bytes} bytes allowed: make it smaller, or raise max_bytes."
            )
        if time.monotonic() > ends_s:
            raise NotAnImageError(f"{shown(address)} takes too long to fetch: try again, or fetch it yourself.")
    if answer.length:  # what is left of the length that the server has announced
        raise http.client.IncompleteRead(bytes(content), answer.length)
    return bytes(content)
