"""Mixed precision as part of the graph: convolutions and products in half precision, `ISLANDS` in float32.

TensorRT 11 computes exactly in the types that the graph states, and older versions do so for strongly typed networks.
So the graph alone decides what is rounded where, and can be checked without a GPU: `rounded` converts it to a float32
graph that rounds at the same places, for any runtime.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common as passes

from tuft.errors import OptionError
from tuft_export.graph_metadata import PRECISION_KEY, PRECISIONS
from tuft_export.graphs.batch_norms import fold_batch_norms
from tuft_export.graphs.edit import constant, drop_unused_constants, replace_uses

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

_HALF: Final = {"fp16": ir.DataType.FLOAT16, "bf16": ir.DataType.BFLOAT16}
# The first operator set in which convolutions may be bfloat16.
_OPSET_OF_BFLOAT16: Final = 22


class Island(NamedTuple):
    """Nodes that stay in float32: a pattern of their names (`module/operator`), and the reason."""

    pattern: str
    reason: str


# docs/precision.md gives the measurements behind each.
ISLANDS: Final[tuple[Island, ...]] = (
    Island(r"attention\d\.context/MatMul", "sums over up to a million positions, not means: beyond float16"),
    Island(r"attention\d\.conv_(key|value)\.", "read those sums; three to five vectors a picture, so it costs nothing"),
    Island(r"blocks\.\d+/Add", "Swin's residual stream: 48 additions one after the other, each rounding anew"),
    Island(r"[HW]attn/MatMul(_3|_5)?$", "logits of axial attention: unscaled, in the hundreds; the largest decides"),
    Island(r"/LayerNormalization", "variances are sums of squares; float16 ends at 65,504"),
    Island(r"/Softmax", "sums of exponentials"),
    Island(r"image_pyramid/", "the saliency itself, one channel: what is rounded here is seen"),
    Island(r"transition\d/", "asks whether the saliency changes by more than a half"),
)
# The last convolutions before the saliency heads: computed in half precision, float32 after them.
HEADS: Final = re.compile(r"(attention\d\.conv_out4|decoder\.conv5)\..*/Conv")

# The operators that take most of the time. All others compute in the type of their inputs.
_PRODUCTS: Final = frozenset({"Conv", "MatMul", "Gemm"})
# Index of the first input with a type of its own.
_TYPED_INPUTS: Final = {"Resize": 1}


def with_precision(model: onnx.ModelProto, precision: str, islands: Sequence[Island] = ISLANDS) -> onnx.ModelProto:
    """Converts a graph to another precision; its inputs and outputs keep their types.

    Args:
        model: In float32, nodes named `module/operator`.
        precision: One of `tuft_export.graph_metadata.PRECISIONS`.
        islands: The nodes that stay in float32.

    Returns:
        A new graph; batch norms are folded into the convolutions before rounding.

    Raises:
        OptionError: There is no such precision.
    """
    if precision not in PRECISIONS:
        raise OptionError(f"There is no precision {precision!r}: choose one of {', '.join(PRECISIONS)}.")
    if precision == "fp32":
        return model
    converted = _typed(ir.from_proto(model))
    fold_batch_norms(converted)
    PrecisionConverter(converted, _HALF[precision], islands).run()
    converted.metadata_props[PRECISION_KEY] = f'"{precision}"'
    if precision == "bf16":
        converted.opset_imports[""] = max(converted.opset_imports[""], _OPSET_OF_BFLOAT16)
    return ir.to_proto(converted)


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Converts a graph to float32 with explicit rounding of every value that `model` holds in half precision.

    ONNX Runtime has no half-precision kernels on the CPU: it computes such nodes in float32 and omits the roundings
    between them, so that 300 squared does not overflow there.

    Args:
        model: As of `with_precision`.
    """
    plain = _typed(ir.from_proto(model))
    graph = plain.graph
    halves = set(_HALF.values())
    for value in graph.initializers.values():
        if value.dtype in halves and value.const_value is not None:
            value.const_value = ir.tensor(value.const_value.numpy().astype(np.float32), name=value.name)
            value.dtype = ir.DataType.FLOAT
    for node in list(graph):
        for value in node.outputs:
            if value.dtype in halves:
                half, value.dtype = value.dtype, ir.DataType.FLOAT
                if node.op_type == "Cast":
                    node.attributes["to"] = ir.AttrInt64("to", ir.DataType.FLOAT)
                if node.op_type not in _EXACT:
                    there = _cast(graph, value, half, after=node)
                    back = _cast(graph, there, ir.DataType.FLOAT, after=there.producer())
                    replace_uses(graph, value, back, but=there.producer())
    return ir.to_proto(plain)


# Operators that only move or select values.
_EXACT: Final = frozenset(
    {
        "Clip", "Concat", "DepthToSpace", "Max", "MaxPool", "Min", "Neg", "Pad", "Relu", "Reshape", "Slice", "Split",
        "Squeeze", "Transpose", "Unsqueeze",
    }
)  # fmt: skip


class PrecisionConverter:
    """Converts a graph from float32 to half precision.

    Args:
        model: In float32, the type of every value known; it is changed.
        half: The half precision.
        islands: Nodes that stay in float32.
    """

    def __init__(self, model: ir.Model, half: ir.DataType, islands: Sequence[Island]) -> None:
        self.graph = model.graph
        self.half = half
        self.islands = [re.compile(island.pattern) for island in islands]
        self._casts: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}

    def run(self) -> None:
        """Converts all nodes."""
        for node in list(self.graph):
            dtype = self._computes_in(node)
            for index, value in enumerate(node.inputs):
                if self._is_float(value) and index < _TYPED_INPUTS.get(node.op_type, index + 1):
                    node.replace_input_with(index, self._as(value, dtype))  # type: ignore[arg-type]
            for value in node.outputs:
                if self._is_float(value) and node.op_type != "Cast":
                    value.dtype = dtype
            if HEADS.search(str(node.name)):
                logits = self._as(node.outputs[0], ir.DataType.FLOAT)
                replace_uses(self.graph, node.outputs[0], logits, but=logits.producer())
        self._restore_outputs()

    def _computes_in(self, node: ir.Node) -> ir.DataType:
        if any(island.search(str(node.name)) for island in self.islands):
            return ir.DataType.FLOAT
        given = (value for value in node.inputs if value is not None and value.const_value is None)
        if node.op_type in _PRODUCTS or any(value.dtype == self.half for value in given):
            return self.half
        return ir.DataType.FLOAT

    def _is_float(self, value: ir.Value | None) -> bool:
        return value is not None and value.dtype in (ir.DataType.FLOAT, self.half)

    def _as(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        if value.dtype == dtype:
            return value
        if (value, dtype) not in self._casts:
            self._casts[value, dtype] = (
                _cast(self.graph, value, dtype, after=value.producer())
                if value.const_value is None
                else _constant(self.graph, value, dtype)
            )
        return self._casts[value, dtype]

    def _restore_outputs(self) -> None:
        for index, value in enumerate(self.graph.outputs):
            if value.dtype == self.half:
                output = self._as(value, ir.DataType.FLOAT)
                value.name, output.name = output.name, value.name
                self.graph.outputs[index] = output
        drop_unused_constants(self.graph)


def _typed(model: ir.Model) -> ir.Model:
    """The model with the type of every value known."""
    passes.ShapeInferencePass(check_type=True, data_prop=False)(model)
    return model


def _cast(graph: ir.Graph, value: ir.Value, dtype: ir.DataType, *, after: ir.Node | None) -> ir.Value:
    """`value` as `dtype`, by a new node."""
    name = f"{value.name}.{_short(dtype)}"
    node = ir.Node("", "Cast", [value], [ir.AttrInt64("to", dtype)], name=f"{name}/Cast")
    result = node.outputs[0]
    result.name, result.dtype, result.shape = name, dtype, value.shape
    if after is None:
        graph.insert_before(graph[0], node)
    else:
        graph.insert_after(after, node)
    return result


def _constant(graph: ir.Graph, value: ir.Value, dtype: ir.DataType) -> ir.Value:
    """The initializer `value` as `dtype`, as another initializer."""
    assert value.const_value is not None
    return constant(graph, f"{value.name}.{_short(dtype)}", value.const_value.numpy().astype(dtype.numpy()))


def _short(dtype: ir.DataType) -> str:
    return {ir.DataType.FLOAT: "fp32", ir.DataType.FLOAT16: "fp16", ir.DataType.BFLOAT16: "bf16"}[dtype]
