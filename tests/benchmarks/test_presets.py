"""benchmarks/presets.py: presets through the client, against `standard`."""

from __future__ import annotations

import numpy as np
import presets
import pytest
from _lib.cases import Case

from tuft import Client, FakeTransport

SIZES = {"express": 384, "standard": 1024, "maximum": 1024}


def disk(size: int, radius: float) -> np.ndarray:
    y, x = np.indices((size, size), dtype=np.float32)
    distance = np.hypot(y - size / 2, x - size / 2) / size
    return np.clip((radius - distance) * 40 + 0.5, 0, 1).astype(np.float32)


def test_presets_are_compared_with_standard() -> None:
    alpha = disk(120, 0.3)
    flat = np.full((120, 120, 3), 90, np.uint8)  # colours say nothing: alpha stays the network's
    case = Case("disk", "made", flat, alpha, flat)
    radius = {384: 0.36, 1024: 0.32}
    fake = FakeTransport(
        lambda image: disk(len(image), radius[len(image)]),
        best_sizes={"inspyrenet_2048": 1024, "inspyrenet_1536": 1024},
    )
    found = presets.quality(Client(transport=fake), [case])
    assert {preset: found[preset]["sad"]["mean"] for preset in ("standard", "maximum")} == {
        "standard": 1,
        "maximum": pytest.approx(1, abs=0.05),
    }
    assert 2 < found["express"]["sad"]["mean"] < 4
    assert found["express"]["iou"] < found["standard"]["iou"]
    assert set(fake.requests) == {"inspyrenet_384", "inspyrenet_1024"}
    text = presets.table({"machine": "M", "load": 1, "sets": {"disks": found}})
    assert "Disks, 1:" in text
    assert "| `standard` | 1.00 (1.00 to 1.00) |" in text


def test_the_published_shape_takes_the_place_of_the_demos_network() -> None:
    times = [{"megapixels": 12.0} | {preset: {"ms": 1000.0, "network_ms": 300.0} for preset in SIZES}]
    data = {"machine": "M", "load": 1, "sets": {}, "times": times, "published": {"384": 300.0, "1024": 3300.0}}
    text = presets.table(data)
    assert "| 12 | 1000 | 1000 | 1000 | 1.0 |" in text
    assert "| 12, published shape at 384 and 1024 (computed) | 1000 | 4000 | 4000 | 4.0 |" in text
