"""The profile of a graph by stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
from _roofline.stage_profile import profile
from support.tiny import mixing_graph

if TYPE_CHECKING:
    from pathlib import Path


def test_the_profile_covers_a_pass(tmp_path: Path) -> None:
    model = mixing_graph(96)
    for node in model.graph.node:
        node.name = f"network.decoder/{node.op_type}"
    onnx.save(model, tmp_path / "model.onnx")
    found = profile(tmp_path / "model.onnx", "f32", repetitions=2)
    assert found.whole_s > 0
    assert found.stages_s["decoder"] > 0
