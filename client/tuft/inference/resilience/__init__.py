"""What keeps a request from being lost, and a server in trouble from being buried: small, pure, one idea a file."""

from __future__ import annotations

from tuft.inference.resilience.breaker import Breaker, Breakers, CircuitState
from tuft.inference.resilience.budget import RetryBudget
from tuft.inference.resilience.cancellation import CancelToken, cancelled_with
from tuft.inference.resilience.deadline import Deadline
from tuft.inference.resilience.retry import RetryPolicy

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
