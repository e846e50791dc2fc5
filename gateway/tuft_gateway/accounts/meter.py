"""The meter of a gateway with keys: who may ask, how much at once, and what it costs."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import anyio
from limits.errors import StorageError
from sqlalchemy.exc import SQLAlchemyError

from tuft_gateway.accounts.ledger import InsufficientCreditsError
from tuft_gateway.metering import PREVIEW_PRICE, Caller
from tuft_gateway.problems import LOG, ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from tuft_gateway.accounts.keys import Key, KeyStore
    from tuft_gateway.accounts.ledger import Ledger
    from tuft_gateway.accounts.limits import RateLimiter
    from tuft_gateway.metering import Charge, Use

    Value = TypeVar("Value")

_BEARER: Final = "bearer "


@dataclass(frozen=True)
class Prices:
    """What a photograph costs.

    Attributes:
        of_preset: Credits, by the name of the requested preset.
        default: Credits for all other presets.
        preview: What a preview costs, as a share of the preset's price.
    """

    of_preset: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    default: Decimal = Decimal(1)
    preview: Decimal = PREVIEW_PRICE

    def of(self, use: Use) -> Decimal:
        """The price of a request in credits, rounded up to hundredths."""
        price = self.of_preset.get(use.preset, self.default) * (self.preview if use.preview else 1)
        price *= use.photographs
        return price.quantize(Decimal("0.01"), rounding="ROUND_UP")


class AccountMeter:
    """Admits callers with a valid key, within their rate and their credits.

    Args:
        keys: The keys.
        ledger: Their credits.
        limiter: Their rates.
        prices: What a photograph costs.
    """

    def __init__(self, keys: KeyStore, ledger: Ledger, limiter: RateLimiter, prices: Prices | None = None) -> None:
        self.keys = keys
        self.ledger = ledger
        self.limiter = limiter
        self.prices = prices or Prices()

    async def admit(self, headers: Mapping[str, str], host: str | None) -> Caller:
        """Identifies the caller by `X-API-Key`, or by `Authorization: Bearer`.

        Raises:
            ApiError: `auth_failed`, there is no such key; `unavailable`, the database does not answer.
        """
        key = await self.key(headers)
        return Caller(key.id)

    async def key(self, headers: Mapping[str, str]) -> Key:
        """The key of a request.

        Raises:
            ApiError: As `admit`.
        """
        secret = _secret(headers)
        if not secret:
            raise ApiError("auth_failed", "Send your key in the header X-API-Key.")
        key = await _in_thread(lambda: self.keys.find(secret))
        if key is None:
            raise ApiError("auth_failed", "There is no such key, or it has been revoked.")
        return key

    async def left(self, headers: Mapping[str, str]) -> Decimal | None:
        """Credits that are left of this month to the key of a request; None is without a limit.

        Raises:
            ApiError: As `admit`.
        """
        key = await self.key(headers)
        if key.monthly_credits is None:
            return None
        used = await _in_thread(lambda: self.ledger.usage(key.id))
        return max(key.monthly_credits - used.charged - used.reserved, Decimal(0))

    async def count_report(self, caller: Caller) -> None:
        """Counts a report of a bad result.

        Raises:
            ApiError: `rate_limit_exceeded` or `unavailable`.
        """
        rate = await _in_thread(lambda: self.limiter.report(caller.account))
        if not rate.allowed:
            detail = f"A key may send {rate.limit} reports a day: wait as long as Retry-After says."
            raise ApiError("rate_limit_exceeded", detail, rate.headers)

    async def reserve(self, caller: Caller, use: Use) -> Charge:
        """Counts the photograph against the caller's rate, and reserves its price.

        Raises:
            ApiError: `rate_limit_exceeded`, `insufficient_credits`, or `unavailable`.
        """
        price = self.prices.of(use)

        def work() -> Mapping[str, str]:
            rate = self.limiter.photograph(caller.account, math.ceil(use.megapixels))
            if not rate.allowed:
                raise ApiError("rate_limit_exceeded", _too_fast(rate.limit), rate.headers)
            try:
                if price:
                    self.ledger.reserve(use.request_id, caller.account, price)
            except InsufficientCreditsError as exc:
                detail = f"This costs {price:f} credits, and {exc.remaining:f} are left this month."
                raise ApiError("insufficient_credits", detail, rate.headers) from exc
            return rate.headers

        return AccountCharge(self.ledger, caller.account, use, price, await _in_thread(work))


@dataclass(frozen=True, eq=False)
class AccountCharge:
    """What is reserved for one request.

    Attributes:
        ledger: Where it is reserved.
        key_id: Whom to charge.
        use: The request.
        credits: Its price.
        headers: The state of the rate limit, for the answer.
    """

    ledger: Ledger
    key_id: str
    use: Use
    credits: Decimal
    headers: Mapping[str, str]

    async def settle(self) -> None:
        """Charges the price. If the database does not answer, the reservation expires: the result was free."""
        use = self.use
        with suppress(ApiError):
            await _in_thread(
                lambda: self.ledger.settle(use.request_id, self.key_id, preset=use.preset, megapixels=use.megapixels)
            )

    async def refund(self) -> None:
        """Gives the price back. If the database does not answer, the reservation expires by itself."""
        # The request may have been cancelled: what is reserved is given back all the same.
        with suppress(ApiError), anyio.CancelScope(shield=True):
            await _in_thread(lambda: self.ledger.refund(self.use.request_id))


async def _in_thread(work: Callable[[], Value]) -> Value:
    """The value of `work()`; a database or a storage that does not answer becomes the answer `unavailable`."""
    try:
        return await anyio.to_thread.run_sync(work)
    except (SQLAlchemyError, StorageError) as exc:
        LOG.warning("%s: %s", "accounts", str(exc).partition("\n")[0])
        raise ApiError("unavailable", "Accounts cannot be reached at the moment: send the request again.") from exc


def _secret(headers: Mapping[str, str]) -> str:
    if key := headers.get("x-api-key", "").strip():
        return key
    authorization = headers.get("authorization", "")
    return authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else ""


def _too_fast(limit: int) -> str:
    return f"A key may send {limit} megapixels a minute: wait as long as Retry-After says."
