"""Deadlines, cancellation, retries and circuit breakers: pure, one idea a file."""

from __future__ import annotations

from tuft.inference.resilience.breaker import Breaker, Breakers, CircuitState
from tuft.inference.resilience.cancellation import CancelToken, linked_token, require_token
from tuft.inference.resilience.deadline import Deadline
from tuft.inference.resilience.retry import RetryBudget, RetryPolicy

__all__ = [
    "Breaker",
    "Breakers",
    "CancelToken",
    "CircuitState",
    "Deadline",
    "RetryBudget",
    "RetryPolicy",
    "linked_token",
    "require_token",
]
