"""Keys, credits and rate limits: in SQLite, or in PostgreSQL and Redis when several gateways share them."""

from tuft_gateway.accounts.database import open_database
from tuft_gateway.accounts.keys import Key, KeyStore
from tuft_gateway.accounts.ledger import InsufficientCreditsError, Ledger, Usage
from tuft_gateway.accounts.limits import RateLimit, RateLimiter
from tuft_gateway.accounts.meter import AccountMeter, Prices

__all__ = [
    "AccountMeter",
    "InsufficientCreditsError",
    "Key",
    "KeyStore",
    "Ledger",
    "Prices",
    "RateLimit",
    "RateLimiter",
    "Usage",
    "open_database",
]
