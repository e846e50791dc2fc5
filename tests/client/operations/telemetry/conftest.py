"""Events of finished requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tuft.inference.observers import RequestEvent
from tuft.stopwatch import STAGES


@pytest.fixture
def make_event() -> Callable[..., RequestEvent]:
    """Makes the event of a successful request; arguments override its attributes."""

    def make(**changes: Any) -> RequestEvent:
        values: dict[str, Any] = {
            "request_id": "4f2a",
            "requested": "high",
            "served": "high",
            "model": "inspyrenet_1536",
            "model_version": "1",
            "outcome": "ok",
            "fallback_reason": None,
            "fallback_cause": None,
            "attempts": 1,
            "retries": 0,
            "milliseconds": dict.fromkeys(STAGES, 0.0) | {"decode": 40.0, "network": 160.0},
            "total_ms": 210.0,
            "size_hw": (3000, 4000),
            "alpha": np.full((3000, 4000), 137, np.uint8),
        }
        return RequestEvent(**values | changes)

    return make
