"""Checks whether TensorRT's parser supports the nodes of a graph, by its published table of operators.

Source of the operators, their types and restrictions: onnx-tensorrt, docs/operators.md of TensorRT 10.15 (Apache
License 2.0), operator sets 9 to 24. Operators and types that are not used by segmentation networks are omitted, and
count as unsupported.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Final

import onnx_ir as ir
import onnx_ir.passes.common as passes

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx

OPSETS: Final = range(9, 25)

_FLOATS: Final = frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16})
_NUMBERS: Final = _FLOATS | {ir.DataType.INT32, ir.DataType.INT64}
_ALL: Final = _NUMBERS | {ir.DataType.BOOL}

_OF_FLOATS: Final = """
    Acos Asin Atan AveragePool BatchNormalization Ceil Celu Clip Conv ConvTranspose Cos CumSum Einsum Elu Erf Exp Floor
    Gemm GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid HardSwish InstanceNormalization
    LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MatMul MaxPool PRelu Reciprocal Resize Round Selu
    Sigmoid Sin Softmax Softplus Softsign Sqrt Tan Tanh ThresholdedRelu
"""
_OF_NUMBERS: Final = """
    Abs Add ArgMax ArgMin DepthToSpace Div Equal Gelu Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Neg
    Pad Pow Range ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu ScatterElements ScatterND
    Sign SpaceToDepth Sub Sum TopK
"""
_OF_ALL: Final = """
    Concat Constant ConstantOfShape Expand EyeLike Flatten Gather GatherElements GatherND Identity If Loop OneHot
    Reshape Shape Size Slice Split Squeeze Tile Transpose Trilu Unsqueeze Where
"""
# Their output type does not depend on the input type.
_WITH_OUTPUTS_OF_THEIR_OWN: Final = frozenset(
    {"Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "Shape", "Size", "ArgMax", "ArgMin"}
)

OPERATORS: Final = {
    **dict.fromkeys(_OF_FLOATS.split(), _FLOATS),
    **dict.fromkeys(_OF_NUMBERS.split(), _NUMBERS),
    **dict.fromkeys(_OF_ALL.split(), _ALL),
    **dict.fromkeys(("Cast", "CastLike"), _ALL | {ir.DataType.UINT8}),
    **dict.fromkeys(("GridSample", "Mish"), frozenset({ir.DataType.FLOAT, ir.DataType.FLOAT16})),
    **dict.fromkeys(("And", "Not", "Or", "Xor"), frozenset({ir.DataType.BOOL})),
}


def refused_nodes(model: onnx.ModelProto) -> list[str]:
    """The nodes that TensorRT's parser would refuse, one sentence each; empty if it supports all."""
    graph_model = ir.from_proto(model)
    passes.ShapeInferencePass(check_type=True, data_prop=False)(graph_model)
    opset = graph_model.opset_imports.get("", 0)
    refused = [] if opset in OPSETS else [f"the operator set is {opset}, not one of 9 to 24"]
    refused += [f"{node.name}: {reason}" for node in graph_model.graph.all_nodes() if (reason := _refusal(node))]
    return refused


def operator_counts(model: onnx.ModelProto) -> dict[str, int]:
    """Number of nodes by operator, most frequent first."""
    return dict(collections.Counter(node.op_type for node in model.graph.node).most_common())


def _refusal(node: ir.Node) -> str | None:
    """Why TensorRT would refuse the node, or None."""
    if node.domain or node.op_type not in OPERATORS:
        return f"there is no operator {node.domain}{'.' if node.domain else ''}{node.op_type}"
    restriction = _RESTRICTIONS.get(node.op_type)
    if restriction and (reason := restriction(node)):
        return reason
    outputs = () if node.op_type in _WITH_OUTPUTS_OF_THEIR_OWN else node.outputs
    values = [value for value in (*node.inputs[:1], *outputs) if value is not None and value.dtype is not None]
    if wrong := {value.dtype for value in values} - OPERATORS[node.op_type]:
        return f"{node.op_type} takes no {', '.join(sorted(str(dtype) for dtype in wrong))}"
    if any(value.dtype == ir.DataType.UINT8 and not _is_at_the_border(value) for value in values):
        return "uint8 is for inputs and outputs of the network"
    return None


def _is_at_the_border(value: ir.Value) -> bool:
    return value.is_graph_input() or value.is_graph_output()


def _resize(node: ir.Node) -> str | None:
    attributes = node.attributes
    if attributes.get_int("antialias", 0):
        return "no antialiasing"
    if attributes.get_string("mode", "nearest") not in ("nearest", "linear"):
        return "only nearest and linear"
    known = ("half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners")
    if attributes.get_string("coordinate_transformation_mode", "half_pixel") not in known:
        return f"only {', '.join(known)}"
    if attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch":
        return "only stretch"
    with_scales = len(node.inputs) > 2 and node.inputs[2] is not None
    return "scales need all axes" if with_scales and "axes" in attributes else None


def _pooling(node: ir.Node) -> str | None:
    if any(step != 1 for step in node.attributes.get_ints("dilations", [])):
        return "no dilations"
    if len(node.attributes.get_ints("kernel_shape", [])) not in (2, 3):
        return "2D or 3D only"
    return "no indices" if len(node.outputs) > 1 else None


def _constant_input(index: int, what: str) -> Callable[[ir.Node], str | None]:
    def check(node: ir.Node) -> str | None:
        value = node.inputs[index] if len(node.inputs) > index else None
        return None if value is None or value.const_value is not None else f"{what} must be constant"

    return check


def _first_output_only(node: ir.Node) -> str | None:
    return "only the first output" if len(node.outputs) > 1 else None


_AXES: Final = _constant_input(1, "the axes")
_RESTRICTIONS: Final[dict[str, Callable[[ir.Node], str | None]]] = {
    "Resize": _resize,
    "MaxPool": _pooling,
    "AveragePool": _pooling,
    "LayerNormalization": _first_output_only,
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"), _AXES),
    **dict.fromkeys(("Squeeze", "Unsqueeze", "CumSum"), _AXES),
}
