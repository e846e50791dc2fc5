"""Answers that a slow reader cannot keep in memory for ever, and that are charged once they have been sent."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import anyio
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

_BLOCK_BYTES: Final = 1 << 18


class BoundedResponse(Response):
    """A response whose body must be taken within `timeout_s` seconds; otherwise the connection is closed.

    Args:
        content: The body.
        timeout_s: Seconds for sending it.
        after: Called when it has been sent, or when the reader broke off.
        options: Of the response.
    """

    def __init__(
        self, content: bytes, *, timeout_s: float, after: Callable[[], Awaitable[None]] | None = None, **options: Any
    ) -> None:
        super().__init__(content, **options)
        self._timeout_s = timeout_s
        self._after = after
        self._held = ExitStack()

    def hold(self, held: ExitStack) -> None:
        """Closes `held` when the body has been sent, or will not be."""
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the body, then does what comes after, even if the reader has gone."""
        with self._held:
            try:
                await self._send(send)
            finally:
                if self._after is not None:
                    with anyio.CancelScope(shield=True):
                        await self._after()

    async def _send(self, send: Send) -> None:
        """Sends the body in blocks, each when the one before has left."""
        body = memoryview(self.body)
        with anyio.fail_after(self._timeout_s):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            for start in range(0, len(body), _BLOCK_BYTES):
                block = bytes(body[start : start + _BLOCK_BYTES])
                await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
