"""Small edits of a graph that onnx_ir does not provide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

if TYPE_CHECKING:
    from numpy.typing import NDArray


def constant(graph: ir.Graph, name: str, array: NDArray) -> ir.Value:  # type: ignore[type-arg]
    """The initializer called `name`, created from `array` if missing."""
    if name not in graph.initializers:
        tensor = ir.tensor(array, name=name)
        kind, shape = ir.TensorType(tensor.dtype), ir.Shape(array.shape)
        graph.initializers.add(ir.Value(name=name, shape=shape, type=kind, const_value=tensor))
    return graph.initializers[name]


def replace_uses(graph: ir.Graph, value: ir.Value, by: ir.Value, *, but: ir.Node | None = None) -> None:
    """Replaces `value` by `by` in all nodes except `but`; a graph output keeps its name."""
    for use in list(value.uses()):
        if use.node is not but:
            use.node.replace_input_with(use.idx, by)
    for index, output in enumerate(graph.outputs):
        if output is value:
            value.name, by.name = by.name, value.name
            graph.outputs[index] = by


def drop_unused_constants(graph: ir.Graph) -> None:
    """Removes unused initializers."""
    for name in [name for name, value in graph.initializers.items() if not value.uses()]:
        del graph.initializers[name]
