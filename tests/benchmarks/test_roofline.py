from __future__ import annotations

from dataclasses import asdict
from typing import Any

from _roofline.operation_count import Work
from _roofline.peaks import L4, Peak
from roofline import table


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
