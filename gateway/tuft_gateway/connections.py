"""uvicorn's connections, with a limit on the time that a request's head may take: uvicorn itself waits for ever."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tuft_gateway.problems import ApiError

if TYPE_CHECKING:
    import asyncio

    from tuft_gateway.options import GatewayOptions


def protocol(options: GatewayOptions) -> type[H11Protocol]:
    """The class of connections with the limits of `options`."""

    class Connection(H11Protocol):
        """Closed if no request's head has arrived within `idle_timeout_s` seconds since it may be sent."""

        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def handle_events(self) -> None:
            super().handle_events()
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_waiting()
            elif self._head_timer is None:  # a first part of the next request on this connection
                self._wait_for_head()

        def send_400_response(self, msg: str) -> None:
            """What is no request of HTTP gets an error of the same shape as all others."""
            error = ApiError("invalid_request")
            body = json.dumps(error.to_dict()).encode("ascii")
            length = (b"content-length", str(len(body)).encode("ascii"))
            headers = [(b"content-type", b"application/json"), length, (b"connection", b"close")]
            for event in (
                h11.Response(status_code=error.status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

        def _wait_for_head(self) -> None:
            self._head_timer = self.loop.call_later(options.idle_timeout_s, self._drop)

        def _stop_waiting(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _drop(self) -> None:
            if not self.transport.is_closing():
                self.transport.abort()

    return Connection
