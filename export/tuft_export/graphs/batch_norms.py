"""Folds batch norms into the convolutions before them: exact in float32, and half as many nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuft_export.graphs.edit import constant, drop_unused_constants, replace_uses

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray


def fold_batch_norms(model: ir.Model) -> None:
    """Folds each batch norm whose input is only a convolution into that convolution's weights; `model` is changed.

    With y = (conv(x) + b − mean) · s + beta and s = gamma / sqrt(variance + epsilon), the weights of every output
    channel are multiplied by its s, and the bias becomes (b − mean) · s + beta.
    """
    graph = model.graph
    for norm in [node for node in graph if node.op_type == "BatchNormalization"]:
        conv = norm.inputs[0].producer() if norm.inputs[0] is not None else None
        if conv is not None and conv.op_type == "Conv" and _is_foldable(conv, norm):
            _fold(graph, conv, norm)
    drop_unused_constants(graph)


def _is_foldable(conv: ir.Node, norm: ir.Node) -> bool:
    parameters = (*conv.inputs[1:], *norm.inputs[1:])
    constant = all(value is None or value.const_value is not None for value in parameters)
    return constant and len(conv.outputs[0].uses()) == 1


def _fold(graph: ir.Graph, conv: ir.Node, norm: ir.Node) -> None:
    gamma, beta, mean, variance = (_array(value) for value in norm.inputs[1:])
    scale = gamma / np.sqrt(variance + norm.attributes.get_float("epsilon", 1e-5))
    weight = _array(conv.inputs[1])
    bias = _array(conv.inputs[2]) if len(conv.inputs) > 2 and conv.inputs[2] else np.zeros_like(mean)
    # A convolution that runs at two sizes has one set of weights.
    name = f"{conv.inputs[1].name}.{norm.inputs[1].name}"  # type: ignore[union-attr]
    folded = weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), (bias - mean) * scale + beta
    conv.resize_inputs(3)
    conv.replace_input_with(1, constant(graph, f"{name}.folded", folded[0].astype(np.float32)))
    conv.replace_input_with(2, constant(graph, f"{name}.folded.bias", folded[1].astype(np.float32)))
    replace_uses(graph, norm.outputs[0], conv.outputs[0])
    graph.remove(norm, safe=True)


def _array(value: ir.Value | None) -> NDArray[np.float64]:
    assert value is not None
    assert value.const_value is not None
    return value.const_value.numpy().astype(np.float64)
