"""Simplifies an exported graph: folds arithmetic on shapes, and names nodes by their module.

Every function here only removes or renames nodes; what is computed is torch's export.
"""

from __future__ import annotations

import collections
import re
from typing import TYPE_CHECKING, Final

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common as passes
from onnxscript.optimizer import fold_constants

from tuft_export.graphs.edit import constant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

_CLEAN_UP: Final = ir.passes.Sequential(
    passes.IdentityEliminationPass(),
    passes.RemoveUnusedNodesPass(),
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
    passes.DeduplicateInitializersPass(),
    passes.CommonSubexpressionEliminationPass(),
    passes.RemoveUnusedNodesPass(),
)

# Metadata key of the modules a node was called in, outermost first, and last the node itself.
_SCOPES_KEY: Final = "pkg.torch.onnx.name_scopes"
# Weights that are used only through a constant derived from them: folded, although the checkpoint's names are lost.
_FOLDED: Final = re.compile(r"relative_position_(bias_table|index)$")
# In elements; bias and mask of 32 heads in windows of 144 tokens have 663,552.
_LARGEST_CONSTANT: Final = 1 << 21


def simplify(model: ir.Model, weight_names: Iterable[str]) -> None:
    """Folds constants, makes shapes constant, and names the nodes; `model` is changed.

    Args:
        model: As torch exported it, one symbolic batch axis in its inputs.
        weight_names: Initializers that must keep their names and values.
    """
    _fold_constants(model, {name for name in weight_names if not _FOLDED.search(name)})
    _make_shapes_constant(model)
    _CLEAN_UP(model)
    _name_by_module(model)
    _forget_origins(model)


def _fold_constants(model: ir.Model, weight_names: set[str]) -> None:
    """Folds all arithmetic on constants, except on the weights.

    The weights are turned into inputs meanwhile: a folded weight would lose the checkpoint's name, and the runtimes
    fold transposes and batch norms themselves when they load the graph.
    """
    graph = model.graph
    weights = [value for name, value in graph.initializers.items() if name in weight_names]
    contents = [value.const_value for value in weights]
    for value in weights:
        del graph.initializers[str(value.name)]
        value.const_value = None
        graph.inputs.append(value)
    # Without the optimizer's rewrite rules: they take a minute, and the runtimes do the same when they load the graph.
    passes.InlinePass()(model)
    fold_constants(
        model,
        onnx_shape_inference=True,
        input_size_limit=_LARGEST_CONSTANT,
        output_size_limit=_LARGEST_CONSTANT,
    )
    _CLEAN_UP(model)
    del graph.inputs[len(graph.inputs) - len(weights) :]
    for value, content in zip(weights, contents, strict=True):
        if value.uses():
            value.const_value = content
            graph.initializers.add(value)


def _make_shapes_constant(model: ir.Model) -> None:
    """Replaces computed shapes by constants: only the batch varies, and `Reshape` infers it.

    `Resize` gets scales instead of sizes, because sizes would have to include the batch.
    """
    for node in list(model.graph.all_nodes()):
        if node.op_type == "Reshape" and node.inputs[1].const_value is None:  # type: ignore[union-attr]
            shape = _shape(node.outputs[0])
            if shape is not None and shape.count(-1) <= 1:
                node.replace_input_with(1, _numbers(model.graph, np.array(shape, np.int64)))
        elif node.op_type == "Resize" and len(node.inputs) > 3:
            before, after = _shape(node.inputs[0]), _shape(node.outputs[0])
            if before and after and -1 not in before[2:] + after[2:]:
                scales = [np.float32(1)] * 2 + [_scale(a, b) for a, b in zip(before[2:], after[2:], strict=True)]
                node.replace_input_with(2, _numbers(model.graph, np.array(scales, np.float32)))
                node.resize_inputs(3)


def _shape(value: ir.Value | None) -> list[int] | None:
    """The axes of a value, -1 where dynamic; None if unknown."""
    if value is None or value.shape is None:
        return None
    return [axis if isinstance(axis, int) else -1 for axis in value.shape]


def _scale(before: int, after: int) -> np.float32:
    """A scale from `before` to `after` pixels that rounding does not make one pixel less."""
    scale = np.float32(after / before)
    return scale if int(before * scale) >= after else np.nextafter(scale, np.float32(np.inf))


def _numbers(graph: ir.Graph, array: NDArray[np.generic]) -> ir.Value:
    return constant(graph, "x".join(map(str, array)), array)


def _name_by_module(model: ir.Model) -> None:
    """Names each node by its module: `network.attention0.context/MatMul`, then `…/MatMul_2`."""
    counts: collections.Counter[str] = collections.Counter()
    modules: dict[ir.Node, str] = {}
    for node in model.graph:
        modules[node] = _module_of(node, modules)
        base = f"{modules[node]}/{node.op_type}"
        counts[base] += 1
        node.name = base if counts[base] == 1 else f"{base}_{counts[base]}"


def _module_of(node: ir.Node, modules: dict[ir.Node, str]) -> str:
    """The innermost module of the network, `""` outside it; nodes added by folding get the module of their input."""
    if _SCOPES_KEY not in node.metadata_props:
        producers = [value.producer() for value in node.inputs if value is not None]
        return next((modules[producer] for producer in producers if producer in modules), "")
    scopes = re.findall(r"'([^']*)'", node.metadata_props[_SCOPES_KEY])[:-1]
    return next((scope for scope in reversed(scopes) if scope.startswith("network")), "")


def _forget_origins(model: ir.Model) -> None:
    """Drops the exporter's metadata about source lines, which is most of the file."""
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
