"""Counts floating-point operations and moved values of an ONNX graph, stage by stage, from its shapes.

Matrix products and convolutions are counted exactly, with a multiplication and an addition as two operations.
Everything else is estimated by operations per value. A graph whose cost depends on the picture cannot be counted.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx
    from torch import Tensor, nn

AROUND: Final = "around"
_STAGE: Final = re.compile(r"network\.(backbone\.(?:layers|stages)\.\d+|backbone|context|decoder|attention\d)")

PRODUCTS: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Views of the same memory.
_VIEWS: Final = ("Constant", "Flatten", "Identity", "Reshape", "Shape", "Squeeze", "Unsqueeze")
_MOVES: Final = ("Cast", "Concat", "DepthToSpace", "Expand", "Gather", "Pad", "Slice", "SpaceToDepth", "Split", "Tile",
                 "Transpose", "Where")  # fmt: skip
_SIMPLE: Final = ("Abs", "Add", "Clip", "Div", "Equal", "Greater", "Less", "Max", "Min", "Mul", "Neg", "Not", "Relu",
                  "Sqrt", "Sub")  # fmt: skip
# Operations per output value; an exponential counts as one.
_OPERATIONS: Final = {
    **dict.fromkeys(_MOVES, 0),
    **dict.fromkeys(_SIMPLE, 1),
    "BatchNormalization": 2,  # folded into a scale and a shift
    "Exp": 1,
    "Gelu": 8,
    "HardSigmoid": 3,
    "HardSwish": 4,
    "LayerNormalization": 7,
    "Log": 1,
    "Resize": 9,  # three linear interpolations
    "Sigmoid": 3,
    "Softmax": 5,
    "Tanh": 4,
}
# One operation per input value.
_REDUCTIONS: Final = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")
_POOLINGS: Final = ("AveragePool", "MaxPool")


@dataclass(frozen=True)
class Work:
    """The work of a pass or of one of its stages.

    Attributes:
        product_flop: Operations in matrix products and convolutions.
        other_flop: All other operations, estimated.
        fused_values: Values that products read and write, weights included: the traffic if everything else is fused
            into the products.
        unfused_values: Values that all nodes read and write: the traffic without fusion.
    """

    product_flop: float = 0.0
    other_flop: float = 0.0
    fused_values: float = 0.0
    unfused_values: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.product_flop + other.product_flop,
            self.other_flop + other.other_flop,
            self.fused_values + other.fused_values,
            self.unfused_values + other.unfused_values,
        )


def stage_of(name: str) -> str | None:
    """The stage of a node by its name: `backbone.layers.2`, `contexts`, `decoder`, `attention0`, ...

    Returns:
        `around` for a module of the network outside these stages, None if the name contains no module.
    """
    found = _STAGE.search(name)
    if found is None:
        return AROUND if "network." in name else None
    return "contexts" if found[1] == "context" else found[1]


def work_by_stage(model: onnx.ModelProto, batch: int = 1) -> dict[str, Work]:
    """Counts the work of one pass, stage by stage in the order of the graph.

    Args:
        model: Exported by `tuft_export`: one batch axis, nodes named by module.
        batch: Pictures per pass.

    Raises:
        ValueError: The cost of an operator or the shape of a value is not known.
    """
    shapes = _shapes(model, batch)
    stages: dict[str, Work] = defaultdict(Work)
    constants = {"", *(tensor.name for tensor in model.graph.initializer)}
    for node in model.graph.node:
        if constants.issuperset(node.input):  # constant, computed once when the graph is loaded
            constants.update(node.output)
        else:
            stages[stage_of(node.name) or AROUND] += _work(node, shapes)
    return dict(stages)


def reference_flop(network: nn.Module, image: Tensor) -> dict[str, int]:
    """Counts operations with torch's own counter, stage by stage; each belongs to the innermost module that runs it.

    Args:
        network: On torch's device `meta` nothing is computed.
        image: On the same device.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    flop: dict[str, int] = defaultdict(int)
    inside = [AROUND]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:

        def settle() -> None:
            flop[inside[-1]] += counter.get_total_flops() - sum(flop.values())

        def enter(stage: str) -> None:
            settle()
            inside.append(stage)

        def leave() -> None:
            settle()
            inside.pop()

        hooks = []
        for name, module in network.named_modules():
            stage = stage_of(f"network.{name}") or AROUND
            hooks.append(module.register_forward_pre_hook(lambda *_, stage=stage: enter(stage)))
            hooks.append(module.register_forward_hook(lambda *_: leave()))
        network(image)
        settle()
    for hook in hooks:
        hook.remove()
    return {stage: count for stage, count in flop.items() if count}


def _shapes(model: onnx.ModelProto, batch: int) -> dict[str, tuple[int, ...]]:
    """Infers the shape of every value for this batch size."""
    import onnx

    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del fixed.graph.value_info[:]
    for value in fixed.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True).graph
    known = {
        value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    return known | {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def _work(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> Work:
    kind = node.op_type
    if kind in _VIEWS:
        return Work()
    inputs = [shapes[name] for name in node.input if name]
    outputs = [_known(node, shapes, name) for name in node.output if name]
    values = float(sum(map(math.prod, inputs + outputs)))
    if kind in PRODUCTS:
        return Work(2 * _multiplications(node, inputs, outputs[0]), 0.0, values, values)
    return Work(other_flop=_other_flop(node, inputs, outputs), unfused_values=values)


def _known(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]], name: str) -> tuple[int, ...]:
    shape = shapes.get(name, (0,))
    if not all(shape):
        raise ValueError(f"The shape of {name}, made by {node.name}, is not known: export the graph with fixed sizes.")
    return shape


def _multiplications(node: onnx.NodeProto, inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> float:
    left, right = inputs[:2]
    if node.op_type == "Conv":
        return math.prod(output[2:]) * output[0] * math.prod(right)
    if node.op_type == "ConvTranspose":
        return math.prod(left[2:]) * left[0] * math.prod(right)
    transposed = node.op_type == "Gemm" and any(a.name == "transA" and a.i for a in node.attribute)
    return math.prod(output) * (left[-2] if transposed else left[-1])


def _other_flop(node: onnx.NodeProto, inputs: list[tuple[int, ...]], outputs: list[tuple[int, ...]]) -> float:
    kind, results = node.op_type, math.prod(outputs[0])
    if kind in _REDUCTIONS:
        return math.prod(inputs[0])
    if kind in _POOLINGS:
        kernel = next(a.ints for a in node.attribute if a.name == "kernel_shape")
        return float(results * math.prod(kernel))
    if kind not in _OPERATIONS:
        raise ValueError(
            f"Nobody has said what {kind} costs, which {node.name} is: add it to the tables in {Path(__file__).name}."
        )
    if kind in ("Max", "Min"):
        return results * (len(inputs) - 1)
    return results * _OPERATIONS[kind]
