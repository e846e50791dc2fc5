"""Splitting an ONNX graph at its seams into the trunk and the stage at full resolution, for ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuft_runtime.seams import COARSE, DETAIL, EDGE, FEATURES, KEY, MARGIN_PX, TILES_PER_BATCH, VALUE, tile_px

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

_FLOAT: Final = 1  # onnx.TensorProto.FLOAT


def split_graph(model: onnx.ModelProto, *, everywhere: bool) -> list[onnx.ModelProto]:
    """Prepares a graph for a batch of one, and splits it where the stage need not be computed everywhere.

    Args:
        model: The graph; it is changed.
        everywhere: Do not skip the stage where it would change the result, however little.

    Returns:
        The graphs to compile: trunk and stage, or the whole graph.
    """
    graph = model.graph
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    seams = {value.name: value for value in graph.value_info}
    del graph.value_info[:]  # states the batch
    names = {FEATURES, KEY, VALUE, COARSE, DETAIL} & seams.keys()
    in_float32 = all(seams[name].type.tensor_type.elem_type == _FLOAT for name in names)
    if len(names) < 5 or not in_float32 or (everywhere and EDGE not in seams):
        return [model]
    return [_trunk(model, seams), _stage(model, seams)]


def _trunk(model: onnx.ModelProto, seams: Mapping[str, onnx.ValueInfoProto]) -> onnx.ModelProto:
    """Everything but the stage: from the image to FEATURES, KEY, VALUE, COARSE and, with blending, EDGE."""
    names = [FEATURES, KEY, VALUE, COARSE, *([EDGE] if EDGE in seams else [])]
    return _part(model, [model.graph.input[0]], [_value(name) for name in names])


def _stage(model: onnx.ModelProto, seams: Mapping[str, onnx.ValueInfoProto]) -> onnx.ModelProto:
    """The stage for a batch of tiles with their margins: from FEATURES, KEY and VALUE to DETAIL."""
    shapes = {name: [axis.dim_value for axis in seams[name].type.tensor_type.shape.dim] for name in seams}
    _, channels, half_px, _ = shapes[FEATURES]
    side = (tile_px(2 * half_px) + 2 * MARGIN_PX) // 2
    features = _value(FEATURES, [TILES_PER_BATCH, channels, side, side])
    others = [_value(name, [1, *shapes[name][1:]]) for name in (KEY, VALUE)]
    return _part(model, [features, *others], [_value(DETAIL)])


def _value(name: str, shape: Sequence[int] | None = None) -> onnx.ValueInfoProto:
    import onnx

    return onnx.helper.make_tensor_value_info(name, _FLOAT, shape)


def _part(
    model: onnx.ModelProto, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    """The part of a graph that computes `outputs` from `inputs`."""
    import onnx

    maker = {name: node for node in model.graph.node for name in node.output}
    wanted, reached = [value.name for value in outputs], {value.name for value in inputs}
    needed: set[str] = set()  # first outputs of the nodes
    while wanted:
        name = wanted.pop()
        if name in maker and name not in reached:
            reached.update(maker[name].output)
            needed.add(maker[name].output[0])
            wanted += maker[name].input
        reached.add(name)
    return onnx.helper.make_model(
        onnx.helper.make_graph(
            [node for node in model.graph.node if node.output[0] in needed],
            model.graph.name,
            inputs,
            outputs,
            [tensor for tensor in model.graph.initializer if tensor.name in reached],
        ),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
