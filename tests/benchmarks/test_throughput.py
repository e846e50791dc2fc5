"""A short load on a real server, compared with Triton's own counters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import throughput
from _lib.machine import machine_facts
from _lib.photographs import Photograph, photographs
from _lib.serving import serving
from _throughput.throughput_table import table
from PIL import Image
from support.tiny import misbehaving_model, tiny_repository

FACTS = {
    "machine": "a machine", "load": 0.0, "weights": "demo", "parameters": [], "preset": "standard",
    "photographs": [{"name": "a", "megapixels": 12.0, "jpeg_bytes": 1}],
}  # fmt: skip


@pytest.fixture
def subjects(scene: Any, tmp_path: Path) -> list[Photograph]:
    folder = tmp_path / "photographs"
    folder.mkdir()
    bright_on_dark = (30 + 200 * scene.alpha).astype(np.uint8)  # the tiny network finds what is bright
    Image.fromarray(bright_on_dark).convert("RGB").save(folder / "one.jpg")
    return photographs(folder)


@pytest.mark.server
@pytest.mark.slow
def test_a_short_load_of_each_kind(subjects: list[Photograph], averaging_server: str) -> None:
    seen = throughput.throughput(
        averaging_server,
        "standard",
        subjects,
        requests=6,
        concurrency=(1, 3),
        batches=(1, 2),
        rates_per_s=(4.0,),
        arrivals="even",
    )
    assert [row["callers"] for row in seen["closed"]] == [1, 3]
    assert all(row["outcomes"] == {"ok": 6} for row in [*seen["closed"], *seen["open"]])
    assert [row["triton"]["average_batch"] for row in seen["pictures"]] == [1, 2]
    (opened,) = seen["open"]
    assert opened["triton"]["requests"] == 6
    assert opened["images_per_s"] <= 6 / (5 / 4.0), "the last is due after 1.25 s"
    for row in [*seen["closed"], *seen["pictures"], *seen["open"]]:
        assert row["images_per_s"] > 0
        assert row["triton"]["failures"] == 0
        assert row["latency_ms"]["p50"] <= row["latency_ms"]["p99"]
        assert row["server_bytes"]["peak"] >= row["server_bytes"]["now"] > 10**7
    assert not seen.keys() & machine_facts().keys(), "one would be written over the other in JSON"
    page = table(json.loads(json.dumps({**FACTS, **seen})))
    assert page.count("\n| 1 |") == 2
    assert "| 2 | 2 |" in page
    assert "| 4 | even |" in page


@pytest.mark.server
@pytest.mark.slow
def test_a_slow_server_shows_in_the_latency_of_the_open_loop(subjects: list[Photograph], tmp_path: Path) -> None:
    """Half a second per image, and arrivals at twice that rate: the last of six waits for all before it."""
    takes_s, count = 0.5, 6
    black = "np.zeros(images.shape[:3], np.float32)"
    model = misbehaving_model(f"time.sleep({takes_s})").replace(black, "images[..., 0] / np.float32(255)")
    repository = tiny_repository(tmp_path / "repository", sizes=(1024,), model=model)
    with serving(None, repository, (1024,)) as url:
        seen = throughput.throughput(
            url,
            "standard",
            subjects,
            requests=count,
            concurrency=(),
            batches=(),
            rates_per_s=(2 / takes_s,),
            arrivals="even",
        )
    (opened,) = seen["open"]
    assert opened["outcomes"] == {"ok": count}
    least_ms = 1e3 * (count * takes_s - (count - 1) * takes_s / 2)
    assert max(opened["latencies_ms"]) >= least_ms
    assert opened["triton"]["queue_ms"] > 1e3 * takes_s / 2


def test_a_table_of_a_server_that_failed_and_is_somebody_elses() -> None:
    triton = {"requests": 0, "failures": 4, "average_batch": 0.0, "queue_ms": 0.0, "network_ms": 0.0}
    row = {"rate_per_s": 12.0, "arrivals": "poisson", "images_per_s": 0.0, "latency_ms": {}, "triton": triton,
           "outcomes": {"ServerBusyError": 4}, "server_bytes": None, "latencies_ms": []}  # fmt: skip
    page = table({**FACTS, "server": "triton 1", "closed": [], "pictures": [], "open": [row]})
    assert page.splitlines()[-1] == "| 12 | poisson | 0 | nan | nan | nan | 0 | 0.0 |  | 4 |"
    assert "closed loop" not in page
