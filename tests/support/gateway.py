"""A gateway on a real socket, and a web server that misbehaves as it is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fastapi import FastAPI

from tuft.imaging import load_photo
from tuft_gateway.options import GatewayOptions
from tuft_gateway.running import HttpServer

# Answers one request of a `Website`.
Answer = Callable[[BaseHTTPRequestHandler], None]


def decoding_here(app: FastAPI) -> FastAPI:
    """`app` without the processes that decode, which take a second to start; test_hostile.py has them."""
    app.state.service.decode = load_photo
    app.state.service.isolated = False
    return app


@contextmanager
def live_gateway(app: FastAPI, options: GatewayOptions) -> Iterator[tuple[str, int]]:
    """Host and port of `app` behind uvicorn with the gateway's own limits, in another thread."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        server = HttpServer(listener, options)
        thread = threading.Thread(target=server.run, args=(app,))
        thread.start()
        try:
            yield listener.getsockname()[:2]
        finally:
            server.stop()
            thread.join()


class Website:
    """A web server on an address of loopback: answers each path as it was told, and keeps what it was asked.

    Attributes:
        port: Its port.
        asked: Path and headers of each request.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._answers: dict[str, Answer] = {}
        self._server = ThreadingHTTPServer((host, 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path: str, host: str = "pictures.test") -> str:
        return f"http://{host}:{self.port}{path}"

    def answers(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        """`path` is answered so; returns its URL."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                request.send_header(name.replace("_", "-"), value)
            request.end_headers()
            request.wfile.write(body)

        return self.does(path, answer)

    def redirects(self, path: str, target: str, status: int = 302) -> str:
        return self.answers(path, status=status, Location=target)

    def drips(self, path: str, pause_s: float) -> str:
        """A byte every `pause_s` seconds, for ever."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.end_headers()
            while True:
                request.wfile.write(b"x")
                time.sleep(pause_s)

        return self.does(path, answer)

    def does(self, path: str, answer: Answer) -> str:
        self._answers[path] = answer
        return self.url(path)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, dict(self.headers)))
                with suppress(OSError):  # the client has gone
                    site._answers[self.path](self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
