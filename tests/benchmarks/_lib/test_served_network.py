"""A graph computed in this process as the server computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from _lib.served_network import ServedNetwork, tiles_share
from support.photographs import photographs

from tuft_export.checkpoints import CHECKPOINTS, load_weights
from tuft_export.graphs.weightless import demo_graph, read_bare, with_weights
from tuft_export.parity.ort_session import Saliency

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tile_is_needed_where_an_edge_crosses_it() -> None:
    needed = np.zeros((256, 256), bool)
    needed[63:65, 10] = True
    assert tiles_share(needed) == 2 / 16


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
