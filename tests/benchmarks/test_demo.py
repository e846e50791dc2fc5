"""The figures of the demo checkpoint are those of the one that ships."""

from __future__ import annotations

import json

import demo
import tables

from tuft_export.checkpoints import CHECKPOINTS


def test_the_results_are_of_the_checkpoint_that_ships() -> None:
    results = json.loads((tables.FOLDER / "results" / "demo.json").read_text())
    assert results["checkpoint"] == CHECKPOINTS["demo"].sha256, "measure it anew: benchmarks/demo.py --json"
    assert list(results["passes"]) == [str(size) for size in demo.PASSES]
    for (_, count), found in zip(demo.PASSES.items(), results["passes"].values(), strict=True):
        assert found["scenes"]["all"]["n"] == count
        assert set(found) <= set(demo.PARTS)


def test_a_table_has_a_row_for_each_category_and_set() -> None:
    def rows(**values: float) -> dict[str, dict[str, float]]:
        return {name: {"n": 2, "iou": iou, "mae": 0.01} for name, iou in values.items()}

    passes = {
        "384": {"scenes": rows(bird=0.9, thing=0.8, all=0.85), "photographs": rows(cats=0.7, all=0.7)},
        "1024": {"scenes": rows(bird=0.95, all=0.95)},
    }
    assert demo.table({"passes": passes}).splitlines() == [
        "|  | n | IoU, 384 | MAE, 384 | n | IoU, 1024 | MAE, 1024 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| `bird` | 2 | 0.900 | 0.0100 | 2 | 0.950 | 0.0100 |",
        "| `thing` | 2 | 0.800 | 0.0100 |  |  |  |",
        "| **all held-out scenes** | 2 | 0.850 | 0.0100 | 2 | 0.950 | 0.0100 |",
        "| `cats` | 2 | 0.700 | 0.0100 |  |  |  |",
        "| **all held-out photographs** | 2 | 0.700 | 0.0100 |  |  |  |",
    ]
