"""What the GPU check computes from numbers: differences, turns, warm-ups, records."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from _gpu import machine, timing
from _gpu.contestants import Contestant
from _gpu.parity import Answers, difference, differences, parity_pictures, quality
from _gpu.results import FAILED, OUT_OF_MEMORY, Results, failure

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")


def test_differences_are_those_of_the_numbers() -> None:
    expected = np.array([[[0.2, 0.6], [0.9, 0.4]]], np.float32)
    actual = np.array([[[0.2, 0.4], [np.nan, 0.4 + 0.9 / 255]]], np.float32)
    found = difference(actual, expected)
    assert found.max_abs == 1  # of the pixel that is no number
    assert found.mean_abs == pytest.approx((0.2 + 1 + 0.9 / 255) / 4, rel=1e-5)
    assert (found.off_share, found.iou, found.not_finite) == (0.5, 0, 1)
    nothing = difference(np.zeros_like(expected), np.zeros_like(expected))
    assert (nothing.max_abs, nothing.iou) == (0, 1)


def test_a_batch_is_compared_with_the_same_pictures_alone() -> None:
    rng = np.random.default_rng(0)
    singles = rng.random((3, 4, 4), np.float32)
    told = differences(["a", "b"], Answers(singles, singles[:2] + np.float32(0.125)), Answers(singles, singles[:2]))
    assert set(told["pictures"]) == {"a", "b"}
    assert told["pictures"]["a"]["max_abs"] == 0
    assert told["batch"]["max_abs"] == pytest.approx(0.125)


def test_the_quality_of_the_truth_is_perfect(scene: Any) -> None:
    case = SimpleNamespace(alpha=scene.alpha)
    assert quality([scene.alpha], [case]) == pytest.approx({"iou": 1, "gradient": 0}, abs=1e-9)
    shifted = quality([np.roll(scene.alpha, 9, axis=1)], [case])
    assert shifted["iou"] < 0.9
    assert shifted["gradient"] > 0


def test_photographs_of_a_folder_are_taken(photos: Path) -> None:
    pictures = parity_pictures(64, photos)
    assert {"dog.png", "noise", "one bright pixel"} <= set(pictures)
    assert {picture.shape for picture in pictures.values()} == {(64, 64, 3)}


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


# What is recorded.


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("CUDA out of memory. Tried to allocate 20.00 GiB", OUT_OF_MEMORY),
        ("FAIL : CUDAExecutionProvider: Failed to allocate memory for requested buffer of size 9", OUT_OF_MEMORY),
        ("The GPU's memory is full (cuMemAlloc_v2): stop what else uses it", OUT_OF_MEMORY),
        ("NOT_IMPLEMENTED : Could not find an implementation for Conv(22)", FAILED),
    ],
)
def test_running_out_of_memory_is_told_from_other_failures(message: str, status: str) -> None:
    assert failure(RuntimeError(message)) == {"status": status, "reason": f"RuntimeError: {message}"}


def test_a_long_reason_keeps_its_beginning_and_its_end() -> None:
    reason = failure(ValueError("\x1b[96mbegins\x1b[0m\n" + "x" * 9000 + " ends"))["reason"]
    assert reason.startswith("ValueError: begins x")
    assert reason.endswith("x ends")
    assert len(reason) < 500


def test_results_are_whole_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gpu.json"
    results = Results(file, {"machine": {}, "settings": {}})
    results.skip("Something: install it.")
    results.parity.append({"not": object()})
    with pytest.raises(TypeError):
        results.write()
    assert json.loads(file.read_text())["skipped"] == ["Something: install it."]
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.json"]


def test_clocks_are_what_nvidia_smi_says(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "1980 MHz, 1980 MHz, 2619 MHz, 612.34 W, 700.00 W, 58, 97 %, P0, 0x0000000000000004\n"
    asked: list[list[str]] = []

    def smi(command: list[str], **_: Any) -> Any:
        asked.append(command)
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr(machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(machine.subprocess, "run", smi)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="12-34"))
    clocks = machine.clocks(torch.device("cuda", 0))
    assert clocks is not None
    assert (clocks["clocks.sm"], clocks["power.draw"], clocks["pstate"]) == ("1980 MHz", "612.34 W", "P0")
    assert asked[0][:3] == ["nvidia-smi", "-i", "GPU-12-34"]
    assert machine.clocks(CPU) is None
