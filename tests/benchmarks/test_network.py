"""benchmarks/network.py: its choice of picture and its tables. Times are not asserted."""

from __future__ import annotations

import network
import numpy as np
from network import REFERENCE, table


def disc(radius: float, size: int = 256) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2
    return np.clip(radius - np.hypot(y, x), 0, 1).astype(np.float32)


def test_the_portrait_is_the_picture_nearest_to_the_mean() -> None:
    chosen = network._portrait([disc(10), disc(60), disc(120)], 256)
    np.testing.assert_array_equal(chosen, network._edges(disc(60)))


def test_the_table_gives_ratios_of_medians() -> None:
    run = {"seconds": [2.0, 1.0, 9.0], "peak_bytes": 5e8}
    data = {"machine": "M", "time": {"1024": {REFERENCE: {**run, "seconds": [8.0]}, "f32": run, "needed": 0.1}}}
    assert "| f32 | 2.00 | 4.00 | 500 |" in table(data)


def test_errors_are_told_against_float32() -> None:
    rows = {"share": 0.25, "sad_ratio": 1.5, "gradient_ratio": 0.5, "worst_ratio": 2.0, "iou": 0.9}
    assert "| bf16 | 25% | 1.5000 | 0.5000 | 2.000 | 0.9000 |" in table(
        {"machine": "M", "quality": {"384": {"bf16": rows}}}
    )
