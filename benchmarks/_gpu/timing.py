"""Timing on an asynchronous device: with synchronisation, warm-up and alternation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from _gpu.contestants import Contestant
    from _gpu.passes import Pass

# A pass is warm once this many consecutive times are within this factor of each other.
_STEADY_RUNS: Final = 3
_STEADY_WITHIN: Final = 1.05
_WARMUP_RUNS: Final = 30
_WARMUP_S: Final = 10.0

# Timed runs per turn: as many as fit into this time, within bounds.
_TURN_S: Final = 0.4
_TURN_RUNS: Final = (3, 20)


@dataclass(frozen=True)
class Warm:
    """A pass after its warm-up.

    Attributes:
        run: The pass.
        ready_s: From the beginning of loading to the first result, with export, compilation and tuning.
        steady: Whether its times had settled when the warm-up ended.
        last_ms: Time of the last warm-up run.
        peak_allocated_bytes: Peak memory allocated by torch, weights included; None on the CPU. Memory of other
            runtimes is not included.
        device_bytes: Growth of the device's used memory, caches of the runtime included; None on the CPU.
    """

    run: Pass
    ready_s: float
    steady: bool
    last_ms: float
    peak_allocated_bytes: int | None
    device_bytes: int | None


def synchronise(device: torch.device) -> None:
    """Waits for all streams of the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def release(device: torch.device) -> None:
    """Returns torch's cached memory to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def used_bytes(device: torch.device) -> int | None:
    """Memory of the device in use by all processes; None on the CPU."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return total - free


def milliseconds(run: Pass, images: Tensor, device: torch.device) -> float:
    """Times one pass, from and to the device's memory."""
    synchronise(device)
    began_s = time.perf_counter()
    run(images)
    synchronise(device)
    return (time.perf_counter() - began_s) * 1e3


class Memory:
    """Measures the memory used since construction."""

    def __init__(self, device: torch.device) -> None:
        release(device)
        self._device, self._used = device, used_bytes(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._allocated = torch.cuda.memory_allocated(device)

    def peak_allocated_bytes(self) -> int | None:
        """Growth of torch's peak allocation."""
        if self._device.type != "cuda":
            return None
        return int(torch.cuda.max_memory_allocated(self._device)) - self._allocated

    def device_bytes(self) -> int | None:
        """Growth of the device's used memory."""
        used = used_bytes(self._device)
        return None if used is None or self._used is None else used - self._used


def warmed_up(run: Pass, images: Tensor, device: torch.device, memory: Memory, began_s: float) -> Warm:
    """Runs a pass until its times have settled, or for 30 runs or 10 seconds.

    Args:
        run: The pass, freshly loaded.
        images: Pictures that it will be timed on.
        device: Device to run on.
        memory: Constructed before the pass was loaded.
        began_s: When loading began, by `time.perf_counter`.
    """
    times = [milliseconds(run, images, device)]
    ready_s = time.perf_counter() - began_s
    steady, ends_s = False, time.perf_counter() + _WARMUP_S
    while not steady and len(times) < _WARMUP_RUNS and (len(times) < _STEADY_RUNS or time.perf_counter() < ends_s):
        times.append(milliseconds(run, images, device))
        last = times[1:][-_STEADY_RUNS:]  # without the first, which compiles and tunes
        steady = len(last) == _STEADY_RUNS and max(last) <= _STEADY_WITHIN * min(last)
    warm = Warm(run, ready_s, steady, times[-1], memory.peak_allocated_bytes(), memory.device_bytes())
    release(device)
    return warm


def alternated(
    warm: Mapping[Contestant, Warm], images: Tensor, device: torch.device, rounds: int
) -> dict[Contestant, list[float] | Exception]:
    """Times the contestants in turn, so that a slow minute of the machine affects all of them.

    The first run of a turn, with cold caches and released memory, does not count. Every second round runs in reverse
    order. A contestant that fails is not run again.

    Args:
        warm: The contestants, all loaded.
        images: uint8 [n, S, S, 3] on the device.
        device: Device to run on.
        rounds: Turns of each contestant.

    Returns:
        Milliseconds of each contestant, or its error.
    """
    results: dict[Contestant, list[float] | Exception] = {contestant: [] for contestant in warm}
    for round_ in range(rounds):
        for contestant in list(warm)[:: (-1) ** round_]:
            times = results[contestant]
            if isinstance(times, Exception):
                continue
            try:
                times += _turn(warm[contestant], images, device)
            except Exception as exc:
                # Without its traceback, whose frames keep tensors alive.
                results[contestant] = exc.with_traceback(None)
            release(device)
    return results


def _turn(warm: Warm, images: Tensor, device: torch.device) -> list[float]:
    fewest, most = _TURN_RUNS
    runs = min(max(round(_TURN_S * 1e3 / warm.last_ms), fewest), most)
    milliseconds(warm.run, images, device)
    return [milliseconds(warm.run, images, device) for _ in range(runs)]
