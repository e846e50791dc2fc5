from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import pytest
from _roofline.operation_count import Work
from _roofline.peaks import L4, Peak, measured_peaks
from _roofline.stage_profile import profile
from roofline import table
from support.tiny import mixing_graph

FAST = Peak("f32", flop_per_s=100.0, bytes_per_s=40.0, value_bytes=4)


def test_the_least_time_is_the_longer_of_products_and_traffic() -> None:
    products, traffic = Work(product_flop=300, fused_values=10), Work(product_flop=100, fused_values=20)
    assert (FAST.least_s(products), FAST.is_bound_by_memory(products)) == (3.0, False)
    assert (FAST.least_s(traffic), FAST.is_bound_by_memory(traffic)) == (2.0, True)


def test_half_precision_moves_half_the_bytes() -> None:
    half = Peak("bf16", FAST.flop_per_s, FAST.bytes_per_s, value_bytes=2)
    work = Work(fused_values=1000)
    assert half.least_s(work) == FAST.least_s(work) / 2


def test_other_peoples_figures_say_that_they_are_not_measured() -> None:
    assert all("computed, not measured" in peak.source for peak in L4)
    half, single = L4
    assert half.flop_per_s == 121e12
    assert half.flop_per_s / single.flop_per_s == pytest.approx(4, rel=0.01)  # tensor cores, without sparsity


def test_this_machine_has_peaks() -> None:
    peaks = measured_peaks(matrix=256, copy_bytes=1 << 22)
    assert [peak.name for peak in peaks] in (["f32"], ["f32", "bf16"])
    assert all(peak.flop_per_s > 1e8 and peak.bytes_per_s > 1e8 for peak in peaks)


def test_the_profile_covers_a_pass(tmp_path: Path) -> None:
    model = mixing_graph(96)
    for node in model.graph.node:
        node.name = f"network.decoder/{node.op_type}"
    onnx.save(model, tmp_path / "model.onnx")
    found = profile(tmp_path / "model.onnx", "f32", repetitions=2)
    assert found.whole_s > 0
    assert found.stages_s["decoder"] > 0


def data() -> dict[str, Any]:
    return {
        "machine": "a machine",
        "load": 0.1,
        "weights": "published",
        "size": 96,
        "work": {"decoder": asdict(Work(3e9, 0, 1e9, 4e9)), "around": asdict(Work(0, 5, 0, 6))},
        "reference_flop": {"decoder": 6_000_000_000, "around": 1_000_000_000},
        "peaks": [asdict(Peak("f32", 1e10, 1e11, 4)), asdict(L4[0])],
        "measured": {"f32": {"stages_s": {"decoder": 0.6, "around": 0.15}, "whole_s": 0.7}},
    }


def test_the_table_tells_the_distance_to_the_limit() -> None:
    decoder, around, everything = table(data()).splitlines()[-3:]
    # 3 GFLOP at 10 GFLOP/s are 300 ms, half of the 600 it took; the L4 moves 2 GB in 6.7 ms.
    assert decoder == "| decoder | 6.0 | 3.0 | 4.00 | 300 | 600 | 50% | 6.7 |"
    assert around == "| around | 1.0 | 0.0 | 0.00 | 0.0 | 150 | 0% | 0.0 |"
    assert everything == "| all | 7.0 | 3.0 | 4.00 | 300 | 750 | 40% | 6.7 |"


def test_what_was_only_counted_has_a_table_too() -> None:
    counted = {**data(), "reference_flop": {}, "peaks": [asdict(L4[0])]}
    del counted["measured"]
    assert table(counted).splitlines()[-1] == "| all | 3.0 | 4.00 | 6.7 |"
