"""The reference: half precision widened to float32 computes what float32 computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.tiny import mean_graph, mean_saliency

from tuft import contract
from tuft_export.parity.reference import reference_saliency, widened
from tuft_export.sample_images import sample_pictures

SIZE = 32


def half_graph(kind: int) -> onnx.ModelProto:
    """SALIENCY is 1 - the mean of the channels, by half-precision constants, in an initializer and in a node."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    one, white = np.array(1, dtype), np.array(255, dtype)
    nodes = [
        helper.make_node("Cast", [contract.INPUT_NAME], ["pixels"], to=kind),
        helper.make_node("Constant", [], ["white"], value=numpy_helper.from_array(white, "white")),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["bright"]),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Cast", ["dark"], [contract.OUTPUT_NAME], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "half",
        [helper.make_tensor_value_info(contract.INPUT_NAME, TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(contract.OUTPUT_NAME, TensorProto.FLOAT, ["n", SIZE, SIZE])],
        [numpy_helper.from_array(one, "one"), numpy_helper.from_array(np.array([3], np.int64), "axes")],
        value_info=[helper.make_tensor_value_info("dark", kind, ["n", SIZE, SIZE])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_half_precision_is_computed_in_float32(kind: int) -> None:
    pictures = sample_pictures(SIZE, 3)
    saliency = reference_saliency(half_graph(kind).SerializeToString(), pictures)
    assert saliency.dtype == np.float32
    np.testing.assert_allclose(saliency, 1 - mean_saliency(pictures), atol=1e-6)


def test_float32_is_left_alone() -> None:
    model = mean_graph(SIZE)
    assert widened(model) == model
    pictures = sample_pictures(SIZE, 2)
    saliency = reference_saliency(model.SerializeToString(), pictures)
    np.testing.assert_allclose(saliency, mean_saliency(pictures), atol=1e-6)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_nothing_of_the_original_changes(kind: int) -> None:
    model = half_graph(kind)
    before = model.SerializeToString()
    wide: Any = widened(model)
    assert model.SerializeToString() == before
    assert kind not in {tensor.data_type for tensor in wide.graph.initializer}
    onnx.checker.check_model(wide)
