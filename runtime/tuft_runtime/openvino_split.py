"""Splitting a graph at its seams into the trunk and the stage at full resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuft_runtime.seams import COARSE, DETAIL, EDGE, FEATURES, KEY, MARGIN_PX, TILES_PER_BATCH, VALUE, tile_px

if TYPE_CHECKING:
    from collections.abc import Mapping


def split_graph(model: Any, *, everywhere: bool) -> list[Any]:
    """Prepares a graph for a batch of one, and splits it where the stage need not be computed everywhere.

    Args:
        model: An `openvino.Model`; it is changed.
        everywhere: Do not skip the stage where it would change the result, however little.

    Returns:
        The models to compile: trunk and stage, or the whole graph.
    """
    model.reshape([1, *model.inputs[0].partial_shape[1:]])
    split_joined_convolutions(model)
    ports = _named_ports(model)
    has_seams = {FEATURES, KEY, VALUE, COARSE, DETAIL} <= ports.keys()
    if has_seams and (EDGE in ports or not everywhere):
        return [_trunk(model, ports), _stage(model)]
    return [model]


def split_joined_convolutions(model: Any) -> None:
    """Replaces each convolution of two concatenated maps by the sum of two convolutions; `model` is changed.

    The result is the same, and the concatenated map, the largest in the graph, is never built.
    """
    import openvino

    ops = openvino.opset15
    for node in model.get_ops():
        if node.get_type_name() != "Convolution":
            continue
        joined, weight = node.input_value(0).get_node(), node.input_value(1).get_node()
        if joined.get_type_name() != "Concat" or joined.get_axis() != 1 or joined.get_input_size() != 2:
            continue
        if weight.get_type_name() != "Constant" or weight.get_element_type() != openvino.Type.f32:
            continue
        weights = np.split(weight.data, [joined.input_value(0).shape[1]], axis=1)
        settings = (node.get_strides(), node.get_pads_begin(), node.get_pads_end(), node.get_dilations())
        terms = [
            ops.convolution(joined.input_value(index), np.ascontiguousarray(part), *settings, node.get_auto_pad())
            for index, part in enumerate(weights)
        ]
        node.output(0).replace(ops.add(*terms).output(0))


def _named_ports(model: Any) -> dict[str, Any]:
    """The output ports of all nodes by tensor name."""
    return {name: port for node in model.get_ops() for port in node.outputs() for name in port.get_names()}


def _trunk(model: Any, ports: Mapping[str, Any]) -> Any:
    """Everything but the stage: from the image to FEATURES, KEY, VALUE, COARSE and, with blending, EDGE."""
    import openvino

    names = [FEATURES, KEY, VALUE, COARSE, *([EDGE] if EDGE in ports else [])]
    return openvino.Model([ports[name] for name in names], model.get_parameters())


def _stage(model: Any) -> Any:
    """The stage for a batch of tiles with their margins: from FEATURES, KEY and VALUE to DETAIL."""
    import openvino

    clone = model.clone()  # in a variable, because it must outlive the ports
    ports = _named_ports(clone)
    channels, size_px = ports[FEATURES].shape[1], 2 * ports[FEATURES].shape[2]
    side = (tile_px(size_px) + 2 * MARGIN_PX) // 2
    shapes = {FEATURES: [TILES_PER_BATCH, channels, side, side], KEY: ports[KEY].shape, VALUE: ports[VALUE].shape}
    parameters = []
    for name, shape in shapes.items():
        parameter = openvino.opset15.parameter(shape, ports[name].element_type)
        for reader in ports[name].get_target_inputs():
            reader.replace_source_output(parameter.output(0))
        parameters.append(parameter)
    stage = openvino.Model([ports[DETAIL]], parameters)
    stage.validate_nodes_and_infer_types()
    return stage
