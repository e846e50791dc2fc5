"""Exported graphs hold no arithmetic on shapes, whole operators, and names that say where a node belongs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tuft import contract
from tuft_export.graphs.weightless import demo_graph, read_bare

if TYPE_CHECKING:
    from tuft_export.inspyrenet import InSPyReNet

pytestmark = pytest.mark.slow

SHAPE_ARITHMETIC = {"Shape", "Size", "Gather", "GatherND", "ScatterND", "Expand", "Range", "ConstantOfShape", "Where"}


def int64_results(model: onnx.ModelProto) -> set[str]:
    """Operators that compute in int64."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    integers = {v.name for v in inferred.graph.value_info if v.type.tensor_type.elem_type == onnx.TensorProto.INT64}
    return {node.op_type for node in inferred.graph.node if integers & set(node.output)}


@pytest.mark.parametrize("graph", ["plain_graph", "blended_graph"])
def test_a_swin_graph_has_no_shape_arithmetic(graph: str, request: pytest.FixtureRequest) -> None:
    model: onnx.ModelProto = request.getfixturevalue(graph)
    assert not SHAPE_ARITHMETIC & {node.op_type for node in model.graph.node}
    assert not int64_results(model)


@pytest.mark.parametrize("size", contract.SIZES)
def test_a_shipped_graph_has_no_shape_arithmetic(size: int) -> None:
    bare = read_bare(demo_graph(size))
    assert not SHAPE_ARITHMETIC & {node.op_type for node in bare.graph.node}
    assert not int64_results(bare)


def test_bias_and_mask_are_one_constant(plain_graph: onnx.ModelProto, tiny_network: InSPyReNet) -> None:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in plain_graph.graph.initializer}
    adds = [node for node in plain_graph.graph.node if re.search(r"blocks\.\d+\.attn/Add", node.name)]
    biases = [constants[name] for node in adds for name in node.input if name in constants]
    assert len(biases) == len(adds)
    assert {bias.shape[-2:] for bias in biases} == {(16, 16)}
    # A plain block has one kind of window, a shifted one four, of which the first is not masked.
    first_shifted = [n for n in adds if ".layers.0.blocks.1." in n.name]
    assert len(first_shifted) == 4
    masked = [constants[name].min() < -50 for node in first_shifted for name in node.input if name in constants]
    assert masked == [False, True, True, True]
    table = tiny_network.backbone.layers[0].blocks[0].attn.relative_position_bias_table  # type: ignore[index,union-attr]
    index = tiny_network.backbone.layers[0].blocks[0].attn.relative_position_index  # type: ignore[index,union-attr]
    expected = table.detach().numpy()[index.numpy()].transpose(2, 0, 1)[None]  # type: ignore[union-attr,operator]
    plain = next(n for n in adds if ".layers.0.blocks.0." in n.name)
    (actual,) = (constants[name] for name in plain.input if name in constants)
    np.testing.assert_array_equal(actual, expected)


def test_nodes_are_named_after_their_modules(plain_graph: onnx.ModelProto, tiny_network: InSPyReNet) -> None:
    names = [node.name for node in plain_graph.graph.node]
    assert len(set(names)) == len(names)
    modules = {f"network.{name}" if name else "network" for name, _ in tiny_network.named_modules()} | {""}
    assert {name.split("/")[0] for name in names} <= modules
    assert sum(name.startswith("/") for name in names) < len(names) / 20
    for node in plain_graph.graph.node:
        weights = [name for name in node.input if name.endswith((".conv.weight", "proj.weight"))]
        kernels = [name for name in node.input if name.endswith(".neighbours")]  # constants, as the pyramid's are
        if node.op_type == "Conv" and "image_pyramid" not in node.name and not kernels:
            assert weights == [node.name.split("/")[0] + ".weight"]


def test_the_first_node_casts_because_tensorrt_takes_uint8_nowhere_else(plain_graph: onnx.ModelProto) -> None:
    readers = [node for node in plain_graph.graph.node if contract.INPUT_NAME in node.input]
    assert [node.op_type for node in readers] == ["Cast"]
