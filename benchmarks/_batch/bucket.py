"""A bucket that speaks S3 and has as many keys as are asked for: `python -m _batch.bucket KEYS PHOTOGRAPH`.

It lists its keys page by page, every one of which is the same photograph, and forgets what is written. It prints its
port, and when the first photograph was read, as seconds since 1970; it serves until its standard input is closed.
"""

from __future__ import annotations

import sys
import threading
import time
from bisect import bisect_right
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

PREFIX: Final = "photos/"
BUCKET: Final = "archive"


def key(number: int) -> str:
    """The key of one photograph; in order of their numbers, keys are in order."""
    return f"{PREFIX}{number // 1000:06}/{number:09}.jpg"


class _Bucket(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, keys: int, photograph: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys, self.photograph = keys, photograph
        self.was_read = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Bucket

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if "list-type" in query:
            self._answer(_page(self.server.keys, query).encode(), "application/xml")
        elif url.path.startswith(f"/{BUCKET}/{PREFIX}"):
            if not self.server.was_read:
                self.server.was_read = True
                print(time.time(), flush=True)
            self._answer(self.server.photograph, "image/jpeg")
        else:
            self._missing()

    def do_HEAD(self) -> None:
        if urlsplit(self.path).path.startswith(f"/{BUCKET}/{PREFIX}"):
            self._answer(b"", "image/jpeg", length=len(self.server.photograph))
        else:
            self._missing()

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(b"", "application/xml")

    def _answer(self, data: bytes, kind: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(data)

    def _missing(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing of each request."""


def _page(keys: int, query: dict[str, str]) -> str:
    after = query.get("start-after", "")
    first = int(query.get("continuation-token") or bisect_right(range(keys), after, key=key))
    last = min(first + min(int(query.get("max-keys", 1000)), 1000), keys)
    if not f"{PREFIX}".startswith(query.get("prefix", "")) and not query.get("prefix", "").startswith(PREFIX):
        first = last = keys
    entries = "".join(
        f"<Contents><Key>{key(number)}</Key><LastModified>2026-11-28T00:00:00.000Z</LastModified><ETag>1</ETag>"
        "<Size>20000</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(first, last)
    )
    more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < keys else ""
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><KeyCount>{last - first}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>{str(last < keys).lower()}</IsTruncated>{more}{entries}</ListBucketResult>"
    )


def main() -> None:
    """Serves."""
    server = _Bucket(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())

    def stop_at_the_end_of_input() -> None:
        sys.stdin.read()
        server.shutdown()

    threading.Thread(target=stop_at_the_end_of_input, daemon=True).start()
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
