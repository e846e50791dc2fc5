"""Photographs from a real HTTP server that misbehaves."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tuft.batch.fetch import fetch
from tuft.errors import ImageError, ImageNotFoundError, ImageTooLargeError, NotAnImageError, TruncatedImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURE = bytes(range(256)) * 100


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        getattr(self, f"answer_{self.path.strip('/').split('/')[0].split('?')[0]}", self.answer_missing)()

    def answer_missing(self) -> None:
        self.send_error(404)

    def answer_picture(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PICTURE)))
        self.end_headers()
        self.wfile.write(PICTURE)

    def answer_agent(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.headers["User-Agent"].encode() + self.path.encode())

    def answer_private(self) -> None:
        self.send_error(403)

    def answer_short(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PICTURE) + 1))
        self.end_headers()
        self.wfile.write(PICTURE)

    def answer_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(PICTURE)
        except OSError:
            pass

    def answer_dripping(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(600):
                self.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            pass

    def answer_moved(self) -> None:
        self._lead("/picture")

    def answer_around(self) -> None:
        self._lead("/around")

    def answer_onwards(self) -> None:
        self._lead(f"/onwards/{self.path.count('/')}{self.path}")

    def answer_file(self) -> None:
        self._lead("file:///etc/passwd")

    def answer_ftp(self) -> None:
        self._lead("ftp://127.0.0.1/picture")

    def answer_nonsense(self) -> None:
        self.wfile.write(b"\x00\x01\x02 nothing of HTTP\r\n\r\n")

    def _lead(self, place: str) -> None:
        self.send_response(302)
        self.send_header("Location", place)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["picture", "picture?size=1&x=ä b", "moved"])
def test_what_a_server_has_is_fetched(host: str, path: str) -> None:
    assert fetch(f"{host}/{path}", max_bytes=len(PICTURE)) == PICTURE


def test_the_server_is_told_who_asks_and_for_what(host: str) -> None:
    assert fetch(f"{host}/agent/Hündin 1.jpg", max_bytes=1000).startswith(b"tuft/")
    assert fetch(f"{host}/agent/Hündin 1.jpg", max_bytes=1000).endswith(b"/agent/H%C3%BCndin%201.jpg")
    assert fetch(f"{host}/agent/a%20b.jpg", max_bytes=1000).endswith(b"/agent/a%20b.jpg")


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("missing", ImageNotFoundError, "HTTP 404"),
        ("private", NotAnImageError, "HTTP 403"),
        ("short", TruncatedImageError, "ended early"),
        ("endless", ImageTooLargeError, "more than the 100000 bytes"),
        ("around", NotAnImageError, "cannot be fetched"),
        ("onwards", NotAnImageError, "cannot be fetched"),
        ("file", NotAnImageError, "cannot be fetched"),
        ("ftp", NotAnImageError, "cannot be fetched"),
        ("nonsense", NotAnImageError, "cannot be fetched"),
    ],
)
def test_what_cannot_be_had_is_told_in_one_sentence(host: str, path: str, kind: type[ImageError], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        fetch(f"{host}/{path}", max_bytes=100_000)
    assert type(caught.value) is kind
    assert host in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_server_that_drips_is_left(host: str) -> None:
    with pytest.raises(NotAnImageError, match="too long"):
        fetch(f"{host}/dripping", max_bytes=1000, timeout_s=0.3)


def test_nothing_at_the_port_and_no_such_host(closed_port: int) -> None:
    for address in (f"http://127.0.0.1:{closed_port}/", "http://tuft.invalid/a.jpg", "http://[::1", "http://"):
        with pytest.raises(NotAnImageError, match="cannot be fetched"):
            fetch(address, max_bytes=1000, timeout_s=5)


def test_an_address_is_quoted_with_bound(closed_port: int) -> None:
    with pytest.raises(NotAnImageError) as caught:
        fetch(f"http://127.0.0.1:{closed_port}/{'a' * 1_000_000}", max_bytes=1000)
    assert len(str(caught.value)) < 500
