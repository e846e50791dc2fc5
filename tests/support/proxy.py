"""A TCP proxy on the loopback interface that simulates network failures."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK_BYTES = 2**16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s


class Proxy:
    """Forwards bytes between its own port and `target` (host:port), until a failure is simulated."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = self._listening(0)
        self._port = int(self._listener.getsockname()[1])
        self.connections = 0

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self._port}"

    def cut(self) -> None:
        """Resets all connections, and refuses new ones."""
        self._close(self._listener)
        with self._lock:
            cut, self._sockets = self._sockets, set()
        for end in cut:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._close(end)

    def stall(self) -> None:
        """Drops all bytes silently, like a firewall or a pulled cable."""
        self._flowing.clear()

    def mend(self) -> None:
        """Ends the simulated failure."""
        self._flowing.set()
        if self._listener.fileno() < 0:
            self._listener = self._listening(self._port)

    def close(self) -> None:
        self._flowing.set()
        self.cut()

    def _listening(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=[listener], daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self.connections += 1
                with self._lock:
                    self._sockets |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=[source, sink], daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                self._flowing.wait()
                sink.sendall(data)
        for end in (source, sink):
            self._close(end)

    @staticmethod
    def _close(end: socket.socket) -> None:
        """Closes a socket and wakes threads that wait for it."""
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextlib.contextmanager
def proxied(target: str) -> Iterator[Proxy]:
    """A proxy in front of `target`, closed after the `with` block."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
