"""A gateway in a process of its own, before a network that answers at once: `python -m _gateway.server`.

It prints its port and serves until its standard input is closed.
"""

from __future__ import annotations

import socket
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tuft import Client, FakeTransport
from tuft.inference.transport.fake import centred_disk
from tuft_gateway import GatewayOptions, create_app
from tuft_gateway.running import HttpServer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft import CallOptions, Inference


@cache
def _disk(size: int) -> NDArray[np.float32]:
    return centred_disk(np.empty((size, size, 3), np.uint8))


class _Forgetful(FakeTransport):
    """Does not keep what it was asked, which would grow with every request."""

    def infer(
        self, model: str, image: NDArray[np.uint8], *, timeout_s: float, options: CallOptions | None = None
    ) -> Inference:
        """As `FakeTransport.infer`."""
        try:
            return super().infer(model, image, timeout_s=timeout_s, options=options)
        finally:
            self.requests.clear()
            self.options.clear()


def instant_network() -> FakeTransport:
    """A server whose network finds a disk in every picture, and takes no time for it."""
    return _Forgetful(lambda image: _disk(image.shape[0]))


def main() -> None:
    """Serves."""
    options = GatewayOptions(queue=64)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        server = HttpServer(listener, options)

        def stop_at_the_end_of_input() -> None:
            sys.stdin.read()
            server.stop()

        threading.Thread(target=stop_at_the_end_of_input, daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        server.run(create_app(Client(transport=instant_network()), options))


if __name__ == "__main__":
    main()
