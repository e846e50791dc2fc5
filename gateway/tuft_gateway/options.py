"""Options of a gateway: what it accepts, how much at once, and for how long."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, fields
from typing import Final

from tuft.concurrency import DEFAULT_CONCURRENCY
from tuft.errors import OptionError

MEBIBYTE: Final = 2**20


@dataclass(frozen=True, kw_only=True)
class GatewayOptions:
    """Options of a gateway.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 chooses a free one.
        max_file_bytes: The largest picture that may be uploaded or fetched; remove.bg's limit is 22 MB.
        max_pixels: The most pixels of a picture; remove.bg's limit is 50 megapixels.
        concurrency: How many photographs are worked on at once.
        queue: How many further requests may wait; those beyond are answered 429.
        upload_memory_bytes: Memory for bodies that have been received and not been answered, of all requests together.
        idle_timeout_s: Seconds without a byte after which a sender, or a reader of an answer, is dropped.
        body_timeout_s: Seconds within which a body must have arrived.
        answer_timeout_s: Seconds within which an answer must have been taken.
        fetch: Whether pictures named by a URL are fetched.
        fetch_timeout_s: Seconds that fetching one may take, redirects included.
        videos: Whether videos are cut out.
        max_video_bytes: The largest video that may be uploaded.
        stop_timeout_s: Seconds that requests in flight get to finish when the gateway is stopped.

    Raises:
        OptionError: A value is out of its range.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    max_file_bytes: int = 22 * MEBIBYTE
    max_pixels: int = 50_000_000
    concurrency: int = DEFAULT_CONCURRENCY
    queue: int = 64
    upload_memory_bytes: int = 512 * MEBIBYTE
    idle_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    answer_timeout_s: float = 120.0
    fetch: bool = True
    fetch_timeout_s: float = 15.0
    videos: bool = False
    max_video_bytes: int = 512 * MEBIBYTE
    stop_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise OptionError(f"There is no port {self.port}: choose one from 0 (any free one) to 65535.")
        if self.queue < 0:
            raise OptionError(f"queue is {self.queue}: give 0 or more.")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("host", "port", "queue", "fetch", "videos") and not value > 0:
                raise OptionError(f"{field.name} is {value}: give a number above zero.")

    @property
    def max_body_bytes(self) -> int:
        """The largest body: a photograph and a background, either of them in base64, and the other fields."""
        return 2 * (self.max_file_bytes * 4 // 3) + MEBIBYTE

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach `host`."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address, is this machine's loopback interface."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
