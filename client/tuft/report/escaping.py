"""Names as they come, from file systems and servers, made safe to stand in a page."""

from __future__ import annotations

import html
import urllib.parse


def escaped(text: str) -> str:
    """`text` for an element or a quoted attribute; what UTF-8 cannot hold is spelt out."""
    return html.escape(text.encode("utf-8", "backslashreplace").decode())


def link_to(path: str) -> str:
    """The relative `path` for a quoted `href`: never a scheme, a host, a query or a fragment, whatever it is called."""
    try:
        data = path.encode("utf-8", "surrogateescape")  # the bytes that the file system knows it by
    except UnicodeEncodeError:
        data = path.encode("utf-8", "backslashreplace")
    return urllib.parse.quote(data.lstrip(b"/"))
