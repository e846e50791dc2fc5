"""benchmarks/network.py: what it chooses and prints; its times are measured, not asserted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import network
import numpy as np
import onnx
from _lib.served_network import ServedNetwork
from network import REFERENCE, table, tiles_share
from support.photographs import photographs

from tuft_export.checkpoints import CHECKPOINTS, load_weights
from tuft_export.graphs.weightless import demo_graph, read_bare, with_weights
from tuft_export.parity.ort_session import Saliency

if TYPE_CHECKING:
    from pathlib import Path


def disc(radius: float, size: int = 256) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2
    return np.clip(radius - np.hypot(y, x), 0, 1).astype(np.float32)


def test_a_tile_is_needed_where_an_edge_crosses_it() -> None:
    needed = np.zeros((256, 256), bool)
    needed[63:65, 10] = True
    assert tiles_share(needed) == 2 / 16


def test_the_portrait_is_the_picture_nearest_to_the_mean() -> None:
    chosen = network._portrait([disc(10), disc(60), disc(120)], 256)
    np.testing.assert_array_equal(chosen, network._edges(disc(60)))


def test_only_the_tiles_that_are_asked_for_are_computed(tmp_path: Path) -> None:
    demo = with_weights(read_bare(demo_graph(384)), load_weights(CHECKPOINTS["demo"]).arrays)
    path = tmp_path / "model.onnx"
    onnx.save(demo, path)
    picture, needed = photographs(384, 1), np.zeros((384, 384), bool)
    needed[:64, :128] = True
    # By ONNX Runtime, which has no part in what is tested.
    whole, tiled = Saliency(demo), ServedNetwork(path, {"full_resolution": "uncertain"}, needed)
    difference = np.abs(tiled(picture) - whole(picture))[0]
    assert tiled.shares == [2 / 36]
    assert difference[:64, :128].max() < 1e-4 < difference.max()


def test_the_table_gives_ratios_of_medians() -> None:
    run = {"seconds": [2.0, 1.0, 9.0], "peak_bytes": 5e8}
    data = {"machine": "M", "time": {"1024": {REFERENCE: {**run, "seconds": [8.0]}, "f32": run, "needed": 0.1}}}
    assert "| f32 | 2.00 | 4.00 | 500 |" in table(data)


def test_errors_are_told_against_float32() -> None:
    rows = {"share": 0.25, "sad_ratio": 1.5, "gradient_ratio": 0.5, "worst_ratio": 2.0, "iou": 0.9}
    assert "| bf16 | 25% | 1.5000 | 0.5000 | 2.000 | 0.9000 |" in table(
        {"machine": "M", "quality": {"384": {"bf16": rows}}}
    )
