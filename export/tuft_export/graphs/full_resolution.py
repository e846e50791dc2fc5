"""Names for the values at which a graph can be cut in two: all but the last stage, and the stage at full resolution.

That stage takes a third of the time and changes nothing but edges. With its seams named, a runtime can compute it in
tiles, and only where it matters (`tuft_export/python_model.py`): no operator in it depends on the picture's size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import onnx_ir as ir

# The saliency's logits are COARSE + DETAIL: without the stage, and what it adds; EDGE · DETAIL where pyramids blend.
# The stage computes DETAIL from FEATURES at half the size, and what it knows of the whole picture, KEY and VALUE.
FEATURES: Final = "full_resolution.features"
KEY: Final = "full_resolution.key"
VALUE: Final = "full_resolution.value"
COARSE: Final = "full_resolution.coarse"
EDGE: Final = "full_resolution.edge"
DETAIL: Final = "full_resolution.detail"


def name_full_resolution_stage(model: ir.Model) -> None:
    """Gives the seams their names; `model` is changed. The operators between them are those of `attention0`."""
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
    """Follows first inputs back through these operators; the inputs of the last."""
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
