"""The graph that tuft serves, with the tensors of rembg's sessions for custom models around it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tuft import contract

# What rembg's session `dis_custom` has subtracted from colours in 0..1.
_MEAN: Final = 0.5


def rembgs_graph(graph: Path, target: Path) -> Path:
    """Writes `graph` with float32 [1, 3, S, S] instead of uint8 [n, S, S, 3], and [1, 1, S, S] instead of [n, S, S].

    Both are whole levels again before the network sees them, so it computes what it computes for tuft.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(graph)
    size = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    constants = [
        helper.make_tensor("peer_mean", TensorProto.FLOAT, [], [_MEAN]),
        helper.make_tensor("peer_levels", TensorProto.FLOAT, [], [255.0]),
        helper.make_tensor("peer_axis", TensorProto.INT64, [1], [1]),
    ]
    before = [
        helper.make_node("Add", ["input", "peer_mean"], ["peer_share"]),
        helper.make_node("Mul", ["peer_share", "peer_levels"], ["peer_scaled"]),
        helper.make_node("Round", ["peer_scaled"], ["peer_rounded"]),
        helper.make_node("Cast", ["peer_rounded"], ["peer_bytes"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["peer_bytes"], [contract.INPUT_NAME], perm=[0, 2, 3, 1]),
    ]
    after = [helper.make_node("Unsqueeze", [contract.OUTPUT_NAME, "peer_axis"], ["mask"])]
    nodes = [*before, *model.graph.node, *after]
    del model.graph.node[:], model.graph.input[:], model.graph.output[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    model.graph.input.append(helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, size, size]))
    model.graph.output.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1, size, size]))
    onnx.save(model, target)
    return target
