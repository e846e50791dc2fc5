"""Latency and GPU memory of one pass: all contestants of one size and batch in turn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from _gpu.contestants import REFERENCE, pass_from_contestant
from _gpu.gpu_machine import clocks
from _gpu.results import FAILED, OK, failure
from _gpu.timing import Memory, alternated, release, used_bytes, warmed_up
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _gpu.contestants import Contestant
    from _gpu.measured_network import MeasuredNetwork
    from _gpu.passes import Pass
    from _gpu.results import Row
    from _gpu.timing import Warm


def measure_latency(
    network: MeasuredNetwork,
    contestants: Sequence[Contestant],
    size_px: int,
    batch: int,
    device: torch.device,
    *,
    largest_batch: int,
    rounds: int,
    over: Callable[[], bool],
) -> list[Row]:
    """Loads and warms up the contestants one after the other, then times them in alternation.

    Args:
        network: The network.
        contestants: The reference first.
        size_px: Side of the pictures.
        batch: Pictures per pass.
        device: Device to run on.
        largest_batch: Largest batch of the whole run, for which engines are built.
        rounds: Turns of each contestant.
        over: Called before each contestant is loaded; if it returns True, the remaining ones are skipped.

    Returns:
        One row for each contestant that was loaded or failed to load.
    """
    images = torch.from_numpy(sample_pictures(size_px, batch)).to(device)
    rows: dict[Contestant, Row] = {}
    warm: dict[Contestant, Warm] = {}
    for contestant in contestants:
        if over():
            break
        rows[contestant] = {
            "network": network.name, "size": size_px, "batch": batch, "contestant": str(contestant),
            "used_bytes_before": used_bytes(device),
        }  # fmt: skip
        run: Pass | None = None
        memory, began_s = Memory(device), time.perf_counter()
        try:
            run = pass_from_contestant(contestant, network, size_px, device, largest_batch)
            warm[contestant] = warmed_up(run, images, device, memory, began_s)
        except Exception as exc:
            rows[contestant] |= failure(exc)
        run = None  # now only `warm` holds a reference
        release(device)
    times = alternated(warm, images, device, rounds)
    under_load = clocks(device)
    reference = times.get(REFERENCE)
    reference_ms = float(np.median(reference)) if isinstance(reference, list) else None
    for contestant, of_contestant in times.items():
        if isinstance(of_contestant, Exception):
            rows[contestant] |= failure(of_contestant)
        else:
            rows[contestant] |= _figures(warm[contestant], of_contestant, batch, reference_ms)
            rows[contestant]["clocks_after"] = under_load
    warm.clear()
    torch.compiler.reset()
    release(device)
    return list(rows.values())


def _figures(warm: Warm, times_ms: list[float], batch: int, reference_ms: float | None) -> Row:
    if not times_ms:
        return {"status": FAILED, "reason": "It was never timed."}
    median_ms = float(np.median(times_ms))
    return {
        "status": OK,
        "median_ms": median_ms,
        "p95_ms": float(np.percentile(times_ms, 95)),
        "images_per_s": batch * 1e3 / median_ms,
        "times_reference": None if reference_ms is None else reference_ms / median_ms,
        "steady": warm.steady,
        "ready_s": warm.ready_s,
        "peak_allocated_bytes": warm.peak_allocated_bytes,
        "device_bytes": warm.device_bytes,
        "times_ms": [round(one, 4) for one in times_ms],
    }
