"""The seam to accounts: who may ask, what a result costs, and when it is charged."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Protocol

from tuft_gateway.options import is_loopback
from tuft_gateway.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREVIEW_PRICE: Final = Decimal("0.25")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        account: Whom to charge; empty on a gateway without keys.
        headers: Headers that every answer to this caller gets, errors included.
    """

    account: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Use:
    """What a request is going to use, known once its photograph has been decoded.

    Attributes:
        request_id: Of this request; the same request is never charged twice.
        preset: Name of the preset that was asked for.
        megapixels: Of the photograph.
        preview: Whether the result has at most 0.25 megapixels.
        photographs: How many there are: the frames of a video.
    """

    request_id: str
    preset: str
    megapixels: float
    preview: bool
    photographs: int = 1


class Charge(Protocol):
    """Credits that are reserved for one request; exactly one of `settle` and `refund` is called, at most once."""

    @property
    def credits(self) -> Decimal:
        """How many."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the answer, such as `X-RateLimit-Remaining`."""
        ...

    async def settle(self) -> None:
        """Charges what was reserved: the answer has been sent."""
        ...

    async def refund(self) -> None:
        """Gives back what was reserved: there is no result."""
        ...


class Meter(Protocol):
    """Decides who may ask, and charges for results; called from the event loop, so it must not block."""

    async def admit(self, headers: Mapping[str, str], host: str | None) -> Caller:
        """Identifies the caller, before the body is read.

        Args:
            headers: Of the request; names in lower case.
            host: The caller's address; None if there is none, as on a Unix socket.

        Raises:
            ApiError: `auth_failed`.
        """
        ...

    async def reserve(self, caller: Caller, use: Use) -> Charge:
        """Reserves credits and a share of the rate limit, before the network is asked.

        Raises:
            ApiError: `insufficient_credits` or `rate_limit_exceeded`.
        """
        ...


class FreeCharge:
    """Nothing is reserved, and nothing charged."""

    credits: Decimal = Decimal(0)
    headers: Mapping[str, str] = {}

    async def settle(self) -> None:
        """Charges nothing."""

    async def refund(self) -> None:
        """Has nothing to give back."""


class FreeMeter:
    """Without keys: callers on this machine may ask, and pay nothing; others are refused."""

    async def admit(self, headers: Mapping[str, str], host: str | None) -> Caller:
        """Admits callers of the loopback interface."""
        if host is not None and not is_loopback(host):
            raise ApiError("auth_failed", "This gateway has no keys and serves only its own machine: ask from there.")
        return Caller()

    async def reserve(self, caller: Caller, use: Use) -> Charge:
        """Reserves nothing."""
        return FreeCharge()
