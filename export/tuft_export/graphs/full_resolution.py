"""Names the values at which `tuft_runtime` splits a graph: where the stage at full resolution starts and ends.

`tuft_runtime.seams` says what each value is, and why a graph is split there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft_runtime.seams import COARSE, DETAIL, EDGE, FEATURES, KEY, VALUE

if TYPE_CHECKING:
    import onnx_ir as ir


def name_full_resolution_stage(model: ir.Model) -> None:
    """Names the seams; `model` is changed. The operators between them are those of `attention0`."""
    coarse, detail = _back(model.graph.outputs[0], "Squeeze", "Sigmoid", "Add")
    coarse.name = COARSE
    if _producer(detail).op_type == "Mul":
        edge, detail = _back(detail, "Mul")
        edge.name = EDGE
    detail.name = DETAIL
    convolution = ("BatchNormalization", "Conv")
    x, attended = _back(detail, *convolution, *("Relu", *convolution) * 2, "Concat")
    shares, value = _back(attended, "Transpose", "Relu", "Add", "MatMul")
    _, key = _back(shares, "Transpose", "Conv", "Transpose", "Softmax", "MatMul")
    features = _back(x, "Resize")[0]
    features.name, key.name, value.name = FEATURES, KEY, VALUE


def _back(value: ir.Value, *operators: str) -> list[ir.Value]:
    """Follows first inputs back through these operators and returns the inputs of the last."""
    inputs = [value]
    for operator in operators:
        node = _producer(inputs[0])
        if node.op_type != operator:
            raise ValueError(f"{node.name} should be {operator}: the network has changed, but not where it is cut.")
        inputs = [value for value in node.inputs if value is not None]
    return inputs


def _producer(value: ir.Value) -> ir.Node:
    node = value.producer()
    if node is None:
        raise ValueError(f"{value.name} is not computed: the network has changed, but not where it is cut.")
    return node
