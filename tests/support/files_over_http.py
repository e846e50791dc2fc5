"""A server of files with ranges and entity tags, whose connections break on demand."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Files:
    """What is served, and what was asked for.

    Attributes:
        contents: From each path to its file.
        url: The server's address.
        cuts: How many of the next answers break off half-way.
        ranges: The range that each request asked for.
    """

    contents: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    cuts: int = 0
    ranges: list[str | None] = field(default_factory=list)

    def add(self, name: str, content: bytes) -> str:
        """Serves a file, and returns its address."""
        self.contents[f"/{name}"] = content
        return f"{self.url}/{name}"


@contextmanager
def files_over_http() -> Iterator[Files]:
    files = Files()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            files.ranges.append(wanted)
            content = files.contents.get(self.path)
            if content is None:
                self.send_error(404)
                return
            tag = f'"{hashlib.md5(content).hexdigest()}"'
            if self.headers["If-Range"] not in (None, tag):
                wanted = None
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("ETag", tag)
            self.end_headers()
            body = content[start:]
            if files.cuts:
                files.cuts -= 1
                body = body[: len(body) // 2]
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        files.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield files
        server.shutdown()
        thread.join()
