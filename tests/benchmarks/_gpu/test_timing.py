"""Turns and warm-ups."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from _gpu import timing
from _gpu.contestants import Contestant

CPU = torch.device("cpu")


def test_contestants_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def warm(name: str) -> Any:
        return SimpleNamespace(run=lambda images: order.append(name), last_ms=1e9)

    monkeypatch.setattr(timing, "_TURN_RUNS", (2, 2))
    passes = {Contestant("eager", "fp32"): warm("a"), Contestant("eager", "fp16"): warm("b")}
    times = timing.alternated(passes, torch.zeros(1), CPU, 2)
    assert "".join(order) == "aaabbb" + "bbbaaa"  # the first of each turn does not count
    assert [len(one) for one in times.values() if isinstance(one, list)] == [4, 4]


def test_a_warm_up_ends_when_times_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([900.0, 50.0, 20.0, 10.1, 10.0, 10.2, 10.0])
    monkeypatch.setattr(timing, "milliseconds", lambda *_: next(times))
    warm = timing.warmed_up(lambda x: x, torch.zeros(1), CPU, timing.Memory(CPU), time.perf_counter())
    assert warm.steady
    assert list(times) == [10.0]
    monkeypatch.setattr(timing, "milliseconds", lambda *_: float(np.random.default_rng().uniform(1, 9)))
    monkeypatch.setattr(timing, "_STEADY_WITHIN", 0.5)
    assert not timing.warmed_up(lambda x: x, torch.zeros(1), CPU, timing.Memory(CPU), 0).steady
