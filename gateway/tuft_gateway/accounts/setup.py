"""From the command line and the environment to accounts."""

from __future__ import annotations

import os
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from tuft.errors import OptionError
from tuft.files import data_folder
from tuft.presets import preset_from_name
from tuft_gateway.accounts.database import open_database
from tuft_gateway.accounts.hundredths import from_credits
from tuft_gateway.accounts.keys import KeyStore
from tuft_gateway.accounts.ledger import Ledger
from tuft_gateway.accounts.limits import MEGAPIXELS_PER_MINUTE, RateLimiter
from tuft_gateway.accounts.meter import AccountMeter, Prices
from tuft_gateway.metering import FreeMeter

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from sqlalchemy import Engine

    from tuft_gateway.metering import Meter

# In the environment, because their passwords do not belong into a list of processes.
DATABASE_VARIABLE: Final = "TUFT_GATEWAY_DATABASE"
LIMITS_VARIABLE: Final = "TUFT_GATEWAY_LIMITS"


def database_from_arguments(arguments: argparse.Namespace) -> Engine:
    """The database of the command line or of the environment; by default a file of this user.

    Raises:
        OptionError: Its URL is none.
        SetupError: It cannot be opened.
    """
    return open_database(_named_database(arguments) or f"sqlite:///{_own_database()}")


def meter_from_arguments(arguments: argparse.Namespace) -> Meter:
    """Accounts if a database is named or this user has made keys; otherwise the meter that serves this machine only.

    With a named database callers need a key even before the first one is made: a gateway for others does not open to
    all because its keys are in another database.

    Raises:
        OptionError: A price, a rate or a URL is none.
        SetupError: The database or the storage of the limits cannot be opened.
    """
    # Before the keys: a mistake is told even where it does not matter yet.
    prices = prices_from_texts(arguments.price or ())
    storage = arguments.limits or os.environ.get(LIMITS_VARIABLE) or "memory://"
    limiter = RateLimiter(storage, megapixels_per_minute=_rate(arguments.megapixels_per_minute))
    if _named_database(arguments) is None and not _own_database().exists():
        return FreeMeter()
    engine = database_from_arguments(arguments)
    keys = KeyStore(engine)
    if _named_database(arguments) is None and not keys.exist():
        engine.dispose()
        return FreeMeter()
    return AccountMeter(keys, Ledger(engine), limiter, prices)


def _rate(megapixels_per_minute: int | None) -> int:
    if megapixels_per_minute is None:
        return MEGAPIXELS_PER_MINUTE
    if megapixels_per_minute < 1:
        raise OptionError(f"A key cannot send {megapixels_per_minute} megapixels a minute: give a number above zero.")
    return megapixels_per_minute


def _named_database(arguments: argparse.Namespace) -> str | None:
    return arguments.database or os.environ.get(DATABASE_VARIABLE)


def _own_database() -> Path:
    return data_folder() / "gateway.db"


def prices_from_texts(texts: list[str] | tuple[str, ...]) -> Prices:
    """Prices from texts such as `maximum=2`.

    Raises:
        OptionError: A text is none.
    """
    prices: dict[str, Decimal] = {}
    for text in texts:
        preset, separator, amount = text.partition("=")
        if not separator:
            raise OptionError(f"{text[:40]!r} is no price: give a preset and its credits, as in maximum=2.")
        prices[preset_from_name(preset.strip()).name] = credits_from_text(amount)
    return Prices(prices)


def credits_from_text(text: str) -> Decimal:
    """An amount of credits.

    Raises:
        OptionError: The text is none.
    """
    try:
        amount = Decimal(text.strip())
    except InvalidOperation as exc:
        raise OptionError(f"{text[:40]!r} is no amount of credits: give a number, such as 2 or 0.5.") from exc
    from_credits(amount)
    return amount
