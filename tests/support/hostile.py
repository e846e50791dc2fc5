"""Hostile HTTP requests: each must be answered with a typed 4xx, or have its connection closed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from support import bombs

ROUTE = "/v1.0/removebg"
PATHS = (
    "/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2f..%2fetc/passwd", "//etc/passwd",
    "/js/../../service.py", "/js/%2e%2e/%2e%2e/service.py", "/..%5c..%5cservice.py", "/%00", "/page.css%00.py",
    "/service.py", "/__init__.py", "/.git/config", "/js/..%c0%af..%c0%afservice.py",
    "/v1.0/removebg/../../service.py", "/%252e%252e/service.py", "/templates/description.html.j2",
)  # fmt: skip
# Texts that have broken parsers, shells, templates, logs, headers and databases.
TEXTS = (
    "\r\nX-Evil: 1", "a\r\nSet-Cookie: a=b", "\x00", "a\x00b", "../../../etc/passwd", "${jndi:ldap://127.0.0.1/a}",
    "' OR 1=1 --", "{{7*7}}", "$(reboot)", "<script>alert(1)</script>", "-1", "1e999", "nan", "9" * 5000, "\u202egnp",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "%00", "%s%s%s%n", "A" * 200_000, "\uff10\uff11%",
)  # fmt: skip
FIELDS = (
    "size", "type", "type_level", "format", "roi", "crop", "crop_margin", "scale", "position", "channels",
    "add_shadow", "shadow_type", "shadow_opacity", "semitransparency", "bg_color", "tuft_preset", "tuft_model",
    "tuft_refine", "tuft_points", "tuft_box",
)  # fmt: skip
INSIDE = (
    "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "127.0.1", "0.0.0.0", "0", "2130706433",
    "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "[::1]", "[::]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]",
    "[fe80::1]", "[fc00::1]", "169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "172.16.0.1", "192.168.1.1",
    "100.64.0.1", "\u2460\u2461\u2466.0.0.1", "\uff11\uff12\uff17.0.0.1", "user@127.0.0.1",
    "evil.test:80@127.0.0.1", "127.0.0.1#@evil.test",
)  # fmt: skip


class Hostile(NamedTuple):
    """One request.

    Attributes:
        name: For messages.
        raw: Everything that is sent.
    """

    name: str
    raw: bytes


def request(body: bytes, kind: str, *, path: str = ROUTE, method: str = "POST", headers: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{headers}Connection: close\r\n\r\n".encode("latin-1") + body


def multipart(parts: list[tuple[str, bytes]], boundary: str = "b") -> bytes:
    """A body of parts, each with the text of its Content-Disposition."""
    lines = b"".join(
        f"--{boundary}\r\nContent-Disposition: {what}\r\n\r\n".encode("utf-8", "surrogatepass") + content + b"\r\n"
        for what, content in parts
    )
    return lines + f"--{boundary}--\r\n".encode()


def form(photograph: bytes, name: str = "", value: bytes = b"") -> bytes:
    parts = [('form-data; name="image_file"; filename="dog.png"', photograph)]
    return multipart(parts + ([(f'form-data; name="{name}"', value)] if name else []))


MULTIPART = "multipart/form-data; boundary=b"


def requests(photograph: bytes, inside: list[str]) -> Iterator[Hostile]:
    """All of them.

    Args:
        photograph: A good one.
        inside: URLs of what must not be fetched.
    """
    yield from _bodies(photograph)
    yield from _fields(photograph)
    yield from _urls(photograph, inside)
    yield from _pictures()
    yield from _protocol(photograph)


def _bodies(photograph: bytes) -> Iterator[Hostile]:
    rng = np.random.default_rng(7)
    good = form(photograph)
    for cut in rng.integers(0, len(good) - 8, 30):
        yield Hostile(f"multipart cut at {cut}", request(good[:cut], MULTIPART))
    for number in range(12):
        noise = rng.bytes(int(rng.integers(1, 3000)))
        for kind in (MULTIPART, "application/json", "application/x-www-form-urlencoded"):
            yield Hostile(f"noise {number} as {kind}", request(noise, kind))
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 5000,
                 "multipart/mixed; boundary=b", "text/plain", "application/xml", "", "application/json; charset=\xff",
                 "multipart/form-data; boundary=other"):  # fmt: skip
        yield Hostile(f"kind {kind[:40]!r}", request(good if "json" not in kind else b"[]", kind))
    for what in ("form-data", 'form-data; name="', "form-data; name=", 'form-data; filename="a.png"', "attachment",
                 'form-data; name="image_file"', 'form-data; name*=utf-8\'\'%00; filename="a"', "x" * 20_000,
                 'form-data; name="../image_file"; filename="../../etc/cron/a"', 'form-data; name="\x00"'):  # fmt: skip
        yield Hostile(f"part {what[:40]!r}", request(multipart([(what, photograph)]), MULTIPART))
    many = [(f'form-data; name="f{number}"', b"x") for number in range(2000)]
    yield Hostile("many fields", request(multipart(many), MULTIPART))
    files = [('form-data; name="image_file"; filename="a"', b"x")] * 500
    yield Hostile("many files", request(multipart(files), MULTIPART))
    headers = b"--b\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(20_000)) + b"\r\n\r\n--b--\r\n"
    yield Hostile("many headers of a part", request(headers, MULTIPART))
    for text in ("[" * 100_000, '{"a":' * 50_000, "[]", "null", "1", '"text"', '{"image_url": {"a": 1}}', "{'a': 1}",
                 '{"image_url": ["http://a"]}', '{"size": NaN}', '{"size": 1e999}', '{"image_file_b64": 7}',
                 '{"size": "full"} x', '{"image_url": "\\ud800"}', '{"roi": ' + "9" * 5000 + "}"):  # fmt: skip
        yield Hostile(f"JSON {text[:40]!r}", request(text.encode(), "application/json"))
    for text in (b"&" * 100_000, b"a=1&" * 5000, b"image_url=%ff%fe", b"=&=&=", b"image_file_b64=%", b"size" * 9999):
        yield Hostile(f"urlencoded {text[:30]!r}", request(text, "application/x-www-form-urlencoded"))
    for text in ("A" * 25_000_000, "====", "data:image/png;base64," * 1000, base64.b64encode(bytes(9)).decode() + "!"):
        body = json.dumps({"image_file_b64": text}).encode()
        yield Hostile(f"base64 {text[:30]!r}", request(body, "application/json"))


def _fields(photograph: bytes) -> Iterator[Hostile]:
    for name in FIELDS:
        for text in TEXTS:
            value = text.encode("utf-8", "surrogatepass")
            yield Hostile(f"{name}={text[:30]!r}", request(form(photograph, name, value), MULTIPART))


def _urls(photograph: bytes, inside: list[str]) -> Iterator[Hostile]:
    hosts = [f"http://{host}/secret" for host in INSIDE]
    other = ["file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1/", "ftp://127.0.0.1/",
             "http://127.0.0.1:22/", "http://[::1", "http://" + "a." * 1000, "\\\\127.0.0.1\\share",
             "http://127.0.0.1\r\nHost: a/", "netdoc:///etc/passwd", "http://\x00/", "http://.../"]  # fmt: skip
    for url in (*inside, *hosts, *other):
        for name in ("image_url", "bg_image_url"):
            fields = {name: url}
            if name == "bg_image_url":
                fields["image_file_b64"] = base64.b64encode(photograph).decode()
            yield Hostile(f"{name}={url[:60]!r}", request(json.dumps(fields).encode(), "application/json"))
    for url in inside:
        quoted = "".join(f"%{byte:02x}" for byte in url.encode())
        yield Hostile(f"GET {url}", request(b"", "", path=f"/api/remove?url={quoted}", method="GET"))


def _pictures() -> Iterator[Hostile]:
    pictures = {
        "scans": bombs.scan_bomb(),
        "huge PNG": bombs.png_of_size(60_000, 60_000),
        "long PNG": bombs.png_of_size(2**31 - 1, 1),
        "GIF": bombs.gif_of_size(65_535, 65_535),
        "TIFF directory": bombs.directory_bomb(),
        "TIFF tiles": bombs.tiff_of_tiles(300_000),
        "AVIF items": bombs.avif_of_items(5000),
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1/secret"/></svg>',
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run",
        "empty": b"",
        "zip": b"PK\x03\x04" + bytes(100),
        "HTML": b"<html>",
        "polyglot": b"GIF89a/*<?php system($_GET['c']); ?>*/",
    }
    for name, content in pictures.items():
        yield Hostile(f"picture {name}", request(form(content), MULTIPART))
        body = multipart([('form-data; name="file"; filename="a"', content)])
        yield Hostile(f"rembg {name}", request(body, MULTIPART, path="/api/remove"))


def _protocol(photograph: bytes) -> Iterator[Hostile]:
    for path in PATHS:
        yield Hostile(f"GET {path}", request(b"", "text/plain", path=path, method="GET"))
    good = form(photograph)
    start = f"POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\n"
    lengths = ("-1", "+5", "0x10", "5, 6", "1e3", "99999999999999999999999", " ", "five")
    for length in lengths:
        yield Hostile(f"length {length}", f"{start}Content-Length: {length}\r\n\r\n".encode() + good)
    for lines in ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked, gzip",
                  "Content-Length: 5\r\nContent-Length: 6", "X-A: b\r\n c", "X-A\x00: b", "X A: b", ": b",
                  "X-A: " + "b" * 200_000, "Transfer-Encoding: \x0bchunked"):  # fmt: skip
        yield Hostile(f"headers {lines[:40]!r}", f"{start}{lines}\r\n\r\n".encode("latin-1") + b"zz\r\n" + good)
    for line in ("GET / HTTP/9.9", "GET", "\x16\x03\x01\x02\x00", "POST  / HTTP/1.1",
                 "GET / HTTP/1.1\r\nHost: a\r\nHost: b",
                 "GET /\r\n\r\n", "PRI * HTTP/2.0", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: localhost",
                 f"TRACE {ROUTE} HTTP/1.1\r\nHost: localhost", f"BREW {ROUTE} HTTP/1.1\r\nHost: localhost",
                 "GET http://127.0.0.1:22/ HTTP/1.1\r\nHost: localhost", "GET / HTTP/1.1\r\nHost: evil.test",
                 "GET /docs HTTP/1.1\r\nHost: localhost@evil.test", "GET / HTTP/1.1\r\nHost: [::1",
                 "OPTIONS * HTTP/1.1\r\nHost: localhost"):  # fmt: skip
        yield Hostile(f"line {line[:40]!r}", f"{line}\r\nConnection: close\r\n\r\n".encode("latin-1"))
