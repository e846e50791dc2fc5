"""API keys: made, listed, revoked and recognised."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, select, update

from tuft.errors import OptionError
from tuft_gateway.accounts import database
from tuft_gateway.accounts.hundredths import from_credits, to_credits

if TYPE_CHECKING:
    from decimal import Decimal

    from sqlalchemy import Engine, Row

_PREFIX: Final = "tuft_"  # secret scanners find keys by a prefix
_SECRET_BYTES: Final = 32
_MAX_NAME: Final = 200


@dataclass(frozen=True)
class Key:
    """What is known of a key; the key itself is not stored.

    Attributes:
        id: Names the key without giving it away.
        name: Its owner's name.
        monthly_credits: Credits a month in UTC; None is without a limit.
        added_s: When it was made, Unix time.
        revoked_s: When it was revoked, Unix time; None if it is valid.
    """

    id: str
    name: str
    monthly_credits: Decimal | None
    added_s: int
    revoked_s: int | None


class KeyStore:
    """The keys of a database.

    Args:
        engine: From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, name: str, monthly_credits: Decimal | None = None) -> tuple[str, Key]:
        """Makes a key.

        Args:
            name: Its owner's name.
            monthly_credits: Credits a month, in hundredths at the finest; None is without a limit.

        Returns:
            The key, which cannot be had again, and what is stored of it.

        Raises:
            OptionError: The name is empty or too long, or the credits are not a number above zero.
        """
        if not 0 < len(name.strip()) <= _MAX_NAME:
            raise OptionError(f"A key needs a name of at most {_MAX_NAME} characters.")
        hundredths = None if monthly_credits is None else from_credits(monthly_credits)
        secret = _PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        values = {"id": secrets.token_hex(4), "name": name.strip(), "monthly_hundredths": hundredths}
        with self._engine.begin() as connection:
            connection.execute(insert(database.keys).values(**values, sha256=_sha256(secret), added_s=int(time.time())))
            row = connection.execute(select(database.keys).where(database.keys.c.id == values["id"])).one()
        return secret, _key(row)

    def all(self) -> list[Key]:
        """All keys, revoked ones included, in the order in which they were made."""
        with self._engine.begin() as connection:
            rows = connection.execute(select(database.keys).order_by(database.keys.c.added_s, database.keys.c.id))
            return [_key(row) for row in rows]

    def exist(self) -> bool:
        """Whether there is a key, revoked ones included."""
        with self._engine.begin() as connection:
            return connection.execute(select(database.keys.c.id).limit(1)).first() is not None

    def revoke(self, key_id: str) -> Key:
        """Revokes a key: from now on it is refused. A second time changes nothing.

        Raises:
            OptionError: There is no such key.
        """
        table = database.keys
        with self._engine.begin() as connection:
            valid = (table.c.id == key_id) & table.c.revoked_s.is_(None)
            connection.execute(update(table).where(valid).values(revoked_s=int(time.time())))
            row = connection.execute(select(table).where(table.c.id == key_id)).one_or_none()
        if row is None:
            raise OptionError(f"There is no key {key_id[:40]}: `tuft gateway keys list` shows their ids.")
        return _key(row)

    def find(self, secret: str) -> Key | None:
        """The valid key that `secret` is, if there is one."""
        with self._engine.begin() as connection:
            row = connection.execute(select(database.keys).where(database.keys.c.sha256 == _sha256(secret)))
            found = row.one_or_none()
        return None if found is None or found.revoked_s is not None else _key(found)


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[tuple[object, ...]]) -> Key:
    limit = None if row.monthly_hundredths is None else to_credits(row.monthly_hundredths)
    return Key(row.id, row.name, limit, row.added_s, row.revoked_s)
