"""`tuft gateway keys add|list|revoke`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuft.text import aligned_table
from tuft_gateway.accounts.keys import KeyStore
from tuft_gateway.accounts.ledger import Ledger
from tuft_gateway.accounts.setup import credits_from_text, database_from_arguments

if TYPE_CHECKING:
    import argparse


def add(arguments: argparse.Namespace) -> int:
    """Makes a key and prints it, alone on standard output; it cannot be shown again."""
    limit = None if arguments.credits is None else credits_from_text(arguments.credits)
    secret, _key = KeyStore(database_from_arguments(arguments)).add(arguments.name, limit)
    print(secret)
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Prints a table of all keys with their use in this month."""
    engine = database_from_arguments(arguments)
    ledger = Ledger(engine)
    rows = [("id", "name", "credits a month", "charged", "requests", "added", "")]
    for key in KeyStore(engine).all():
        used = ledger.usage(key.id)
        limit = "no limit" if key.monthly_credits is None else f"{key.monthly_credits:f}"
        state = "" if key.revoked_s is None else f"revoked {_day(key.revoked_s)}"
        rows.append((key.id, key.name, limit, f"{used.charged:f}", str(used.requests), _day(key.added_s), state))
    print(aligned_table(rows))
    return 0


def revoke(arguments: argparse.Namespace) -> int:
    """Revokes a key."""
    key = KeyStore(database_from_arguments(arguments)).revoke(arguments.id)
    print(f"{key.id} ({key.name}) is refused from now on.")
    return 0


def _day(unix_s: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(unix_s))
