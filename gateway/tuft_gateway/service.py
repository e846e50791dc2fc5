"""What all requests share: the client, the decoder, the fetcher, the meter and the load."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tuft.errors import TuftError
from tuft.imaging import IsolatedDecoder, encode
from tuft_gateway.bodies import UploadMemory
from tuft_gateway.fetch import Fetcher, FetchError
from tuft_gateway.load import Load
from tuft_gateway.metering import FreeMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from tuft import Client
    from tuft.imaging import Photo
    from tuft_gateway.metering import Caller, Meter
    from tuft_gateway.options import GatewayOptions


@dataclass(eq=False)
class Service:
    """What all requests share.

    Attributes:
        client: Cuts out.
        meter: Says who may ask, and charges.
        options: Limits.
        decode: Decodes untrusted files in sandboxed processes.
        isolated: Whether videos are decoded in such processes, too.
        fetcher: Fetches pictures named by a URL; None if that is switched off.
        load: Bounds the work.
        memory: Bounds the bodies in memory.
    """

    client: Client
    meter: Meter
    options: GatewayOptions
    decode: Callable[..., Photo] = field(init=False)
    isolated: bool = field(init=False, default=True)
    fetcher: Fetcher | None = field(init=False)
    load: Load = field(init=False)
    memory: UploadMemory = field(init=False)

    def __post_init__(self) -> None:
        options = self.options
        self._decoder = IsolatedDecoder(workers=options.concurrency)
        self.decode = self._decoder
        self.fetcher = Fetcher(options.max_file_bytes, options.fetch_timeout_s) if options.fetch else None
        self.load = Load(options.concurrency, options.queue)
        self.memory = UploadMemory(options.upload_memory_bytes)

    async def admitted(self, request: Request) -> Caller:
        """The caller of `request`, identified before its body is read.

        Raises:
            ApiError: `auth_failed`.
        """
        return await self.meter.admit(request.headers, request.client.host if request.client else None)

    async def fetched(self, url: str) -> bytes:
        """The picture at `url`.

        Raises:
            FetchError: It cannot be fetched, or that is switched off.
        """
        if self.fetcher is None:
            raise FetchError("switched off")
        return await self.fetcher.fetch(url)

    def warm_up(self) -> None:
        """Starts a process that decodes; one that cannot start is reported by the first request."""
        with suppress(TuftError):
            self.decode(encode(np.zeros((1, 1, 3), np.uint8), "png"))

    @property
    def has_keys(self) -> bool:
        """Whether callers need keys."""
        return not isinstance(self.meter, FreeMeter)

    def close(self) -> None:
        """Cancels what is in flight and ends the processes that decode."""
        self.client.close()
        self.load.close()
        self._decoder.close()
