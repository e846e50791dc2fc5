"""Credits as whole hundredths, as they are stored."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tuft.errors import OptionError

MOST: Final = Decimal(10) ** 12


def from_credits(amount: Decimal) -> int:
    """Hundredths of an amount of credits.

    Raises:
        OptionError: It is not above zero, too large, or finer than a hundredth.
    """
    if not amount.is_finite() or not 0 < amount <= MOST or amount * 100 != int(amount * 100):
        raise OptionError(f"{amount} is no amount of credits: give a number above zero with at most two decimals.")
    return int(amount * 100)


def to_credits(hundredths: int) -> Decimal:
    """The amount of credits."""
    return Decimal(hundredths) / 100
