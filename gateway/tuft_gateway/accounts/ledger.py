"""Credits: reserved before a photograph is cut out, charged when the result was sent, given back otherwise.

A request is charged at most once, whatever happens in between:

- Each step is one transaction, which begins by locking the key's row: steps of one key happen one after the other.
- A charge takes its reservation away and leaves a row with the request's id as primary key.
- A gateway that dies leaves reservations behind. They expire, and nothing is charged.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, insert, select, update

from tuft_gateway.accounts.database import charges, keys, reservations, usage
from tuft_gateway.accounts.hundredths import from_credits, to_credits

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from sqlalchemy import Connection, Engine

LEASE_S: Final = 900.0  # longer than any request takes


class InsufficientCreditsError(Exception):
    """A key's credits of this month do not cover a request.

    Attributes:
        remaining: Credits that are left, reserved ones excluded.
    """

    def __init__(self, remaining: Decimal) -> None:
        super().__init__(f"{remaining} credits are left this month.")
        self.remaining = remaining


@dataclass(frozen=True)
class Usage:
    """A key's month.

    Attributes:
        charged: Credits charged.
        reserved: Credits reserved by requests on their way.
        requests: Requests charged.
    """

    charged: Decimal
    reserved: Decimal
    requests: int


class Ledger:
    """Credits of all keys.

    Args:
        engine: From `open_database`.
        lease_s: Seconds after which the reservation of a request that never ended expires.
        now: The current Unix time.
    """

    def __init__(self, engine: Engine, *, lease_s: float = LEASE_S, now: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._lease_s = lease_s
        self._now = now

    def reserve(self, request_id: str, key_id: str, price: Decimal) -> None:
        """Reserves credits for a request.

        Args:
            request_id: Of the request; it is reserved once.
            key_id: Whom to charge.
            price: Credits.

        Raises:
            InsufficientCreditsError: The key's month does not cover it.
        """
        hundredths = from_credits(price)
        with self._engine.begin() as connection:
            limit = _locked_limit(connection, key_id)
            now = self._now()
            self._drop_expired(connection, key_id, now)
            if limit is not None:
                month = _usage(connection, key_id, _month(now))
                remaining = limit - month[0] - month[1]
                if hundredths > remaining:
                    raise InsufficientCreditsError(to_credits(max(remaining, 0)))
            row = {"request_id": request_id, "key_id": key_id, "hundredths": hundredths}
            connection.execute(insert(reservations).values(**row, expires_s=int(now + self._lease_s)))

    def settle(self, request_id: str, key_id: str, *, preset: str, megapixels: float) -> Decimal:
        """Charges what was reserved for a request.

        Args:
            request_id: Of the request.
            key_id: Whom to charge.
            preset: Name of the preset, for statistics.
            megapixels: Of the photograph, for statistics.

        Returns:
            The credits charged; 0 if nothing is reserved, because it was given back or has expired.
        """
        with self._engine.begin() as connection:
            _locked_limit(connection, key_id)
            hundredths = _taken(connection, request_id)
            if hundredths is None:
                return to_credits(0)
            now = self._now()
            row = {"request_id": request_id, "key_id": key_id, "month": _month(now), "hundredths": hundredths}
            statistics = {"preset": preset[:100], "megapixels": megapixels, "charged_s": int(now)}
            connection.execute(insert(charges).values(**row, **statistics))
            _count(connection, key_id, _month(now), hundredths)
            return to_credits(hundredths)

    def refund(self, request_id: str) -> None:
        """Gives back what was reserved for a request; nothing happens if nothing is."""
        with self._engine.begin() as connection:
            _taken(connection, request_id)

    def usage(self, key_id: str) -> Usage:
        """The use of a key in this month."""
        with self._engine.begin() as connection:
            now = self._now()
            self._drop_expired(connection, key_id, now)
            charged, reserved, requests = _usage(connection, key_id, _month(now))
        return Usage(to_credits(charged), to_credits(reserved), requests)

    def _drop_expired(self, connection: Connection, key_id: str, now: float) -> None:
        expired = (reservations.c.key_id == key_id) & (reservations.c.expires_s <= int(now))
        connection.execute(delete(reservations).where(expired))


def _locked_limit(connection: Connection, key_id: str) -> int | None:
    """The key's monthly hundredths; its row is locked until the transaction ends (SQLite locks everything)."""
    row = select(keys.c.monthly_hundredths).where(keys.c.id == key_id).with_for_update()
    limit: int | None = connection.execute(row).scalar_one()
    return limit


def _usage(connection: Connection, key_id: str, month: str) -> tuple[int, int, int]:
    """Hundredths charged, hundredths reserved, and requests charged."""
    here = (usage.c.key_id == key_id) & (usage.c.month == month)
    row = connection.execute(select(usage.c.hundredths, usage.c.requests).where(here)).one_or_none()
    total = select(func.coalesce(func.sum(reservations.c.hundredths), 0)).where(reservations.c.key_id == key_id)
    reserved = int(connection.execute(total).scalar_one())
    return (0, reserved, 0) if row is None else (row.hundredths, reserved, row.requests)


def _taken(connection: Connection, request_id: str) -> int | None:
    """Takes a reservation away and returns its hundredths; None if there is none."""
    gone = delete(reservations).where(reservations.c.request_id == request_id).returning(reservations.c.hundredths)
    hundredths: int | None = connection.execute(gone).scalar_one_or_none()
    return hundredths


def _count(connection: Connection, key_id: str, month: str, hundredths: int) -> None:
    here = (usage.c.key_id == key_id) & (usage.c.month == month)
    more = {"hundredths": usage.c.hundredths + hundredths, "requests": usage.c.requests + 1}
    if connection.execute(update(usage).where(here).values(**more)).rowcount == 0:
        # No other transaction can insert it meanwhile: this one holds the key's lock.
        first = {"key_id": key_id, "month": month, "hundredths": hundredths, "requests": 1}
        connection.execute(insert(usage).values(**first))


def _month(now: float) -> str:
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m")
