"""What keeps a request from being lost, and a server in trouble from being buried: small, pure, one idea a file."""

from __future__ import annotations

from tuft.resilience.breaker import Breaker, Breakers, CircuitState
from tuft.resilience.budget import RetryBudget
from tuft.resilience.cancelling import CancelToken, cancelled_with
from tuft.resilience.deadline import Deadline
from tuft.resilience.retry import RetryPolicy

__all__ = [
    "Breaker",
    "Breakers",
    "CancelToken",
    "CircuitState",
    "Deadline",
    "RetryBudget",
    "RetryPolicy",
    "cancelled_with",
]
