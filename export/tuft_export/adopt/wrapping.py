"""Wraps a graph in the wire contract: uint8 pixels in, saliency out; the network itself is not changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft import contract
from tuft_export.adopt.normalisation import DARKEST_MAXIMUM
from tuft_export.adopt.onnx_model import FIRST_IR_WITH_BARE_WEIGHTS

if TYPE_CHECKING:
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from tuft.models import Activation
    from tuft_export.adopt.normalisation import Normalisation
    from tuft_export.adopt.onnx_model import Source

# Metadata key of the wrapping; it becomes part of the provenance.
NOTE_KEY: Final = "tuft.adopted"
# protobuf is limited to 2 GiB, including the rest of the graph.
LARGEST_FILE_BYTES: Final = 1_900_000_000
SMALLEST_OUTSIDE_BYTES: Final = 1024

_PREFIX: Final = "tuft/"
_HIDDEN: Final = "adopted/"  # prefix of the network's own names where they clash with ours
_CHANNEL_AXIS: Final = 1


@dataclass(frozen=True)
class Wrapping:
    """The nodes around a network.

    Attributes:
        size: Working size in pixels.
        normalisation: Of its input.
        output: Name of the output that is the mask.
        answer_shape: Shape of that output for a single image: [1, 1 or 2, h, w] or [1, h, w]. Two channels are
            background and foreground.
        activation: Maps it to 0..1: `sigmoid`, `softmax` over two channels, or `none` if it is in 0..1 already.
    """

    size: int
    normalisation: Normalisation
    output: str
    answer_shape: tuple[int, ...]
    activation: Activation

    @property
    def answer_hw(self) -> tuple[int, int]:
        """Height and width of the network's output in pixels."""
        return self.answer_shape[-2], self.answer_shape[-1]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "normalize": self.normalisation.name,
            "output": self.output,
            "answer_shape": list(self.answer_shape),
            "output_activation": self.activation,
        }

    @property
    def foreground(self) -> int:
        """Index of the foreground channel."""
        return self.answer_shape[_CHANNEL_AXIS] - 1 if len(self.answer_shape) == 4 else 0


def wrapped(source: Source, wrapping: Wrapping) -> onnx.ModelProto:
    """The network with the contract's input and output instead of its own.

    `source.model` is changed, not copied: it may take gigabytes.
    """
    from onnx import TensorProto, helper

    source.model.metadata_props.add(key=NOTE_KEY, value=json.dumps(wrapping.to_dict()))
    model, input_name, output = _without_clashes(source, wrapping.output)
    before, after = _Nodes("before", source.opset), _Nodes("after", source.opset)
    _add_normalisation(before, wrapping.normalisation, input_name, is_half=source.is_half)
    _add_saliency(after, wrapping, output)
    graph, size = model.graph, wrapping.size
    nodes = [*before.nodes, *graph.node, *after.nodes]
    for replaced in (graph.node, graph.input, graph.output, graph.value_info):
        del replaced[:]  # value_info may hold shapes of another batch and size
    graph.node.extend(nodes)
    graph.initializer.extend([*before.constants, *after.constants])
    image_shape, saliency_shape = ["n", size, size, contract.CHANNELS], ["n", size, size]
    graph.input.append(helper.make_tensor_value_info(contract.INPUT_NAME, TensorProto.UINT8, image_shape))
    graph.output.append(helper.make_tensor_value_info(contract.OUTPUT_NAME, TensorProto.FLOAT, saliency_shape))
    model.ir_version = max(model.ir_version, FIRST_IR_WITH_BARE_WEIGHTS)
    return model


def save(model: onnx.ModelProto, path: Path) -> None:
    """Writes a graph; weights too large for one file go into `<name>.data` beside it."""
    import onnx

    weights_bytes = sum(tensor.ByteSize() for tensor in model.graph.initializer)
    if weights_bytes <= LARGEST_FILE_BYTES:
        onnx.save(model, path)
    else:
        outside = {"location": f"{path.name}.data", "size_threshold": SMALLEST_OUTSIDE_BYTES}
        onnx.save(model, path, save_as_external_data=True, **outside)


def _without_clashes(source: Source, output: str) -> tuple[onnx.ModelProto, str, str]:
    """The network, its input and its output, renamed where its names would clash with ours."""
    from onnx import compose

    graph = source.model.graph
    names = {name for node in graph.node for name in (*node.input, *node.output)}
    if not any(name.startswith((contract.INPUT_NAME, contract.OUTPUT_NAME, _PREFIX)) for name in names):
        return source.model, source.input_name, output
    return compose.add_prefix(source.model, _HIDDEN), _HIDDEN + source.input_name, _HIDDEN + output


def _add_normalisation(nodes: _Nodes, normalisation: Normalisation, target: str, *, is_half: bool) -> None:
    """From `IMAGE` to the network's input, called `target`; computed in float32 for every network."""
    from onnx import TensorProto

    x = nodes.add("Cast", contract.INPUT_NAME, to=TensorProto.FLOAT)
    x = nodes.add("Transpose", x, perm=[0, 3, 1, 2])
    if normalisation.by_brightest:
        brightest = nodes.maximum_of_each(x)
        x = nodes.add("Div", x, nodes.add("Max", brightest, nodes.constant(np.float32(DARKEST_MAXIMUM))))
    for operator, channels in (("Mul", normalisation.scale), ("Add", normalisation.shift)):
        x = nodes.add(operator, x, nodes.constant(np.array(channels, np.float32).reshape(1, contract.CHANNELS, 1, 1)))
    nodes.add("Cast", x, output=target, to=TensorProto.FLOAT16 if is_half else TensorProto.FLOAT)


def _add_saliency(nodes: _Nodes, wrapping: Wrapping, answer: str) -> None:
    """From the network's output `answer` to `SALIENCY`."""
    from onnx import TensorProto

    x = nodes.add("Cast", answer, to=TensorProto.FLOAT)
    if len(wrapping.answer_shape) == 3:
        x = nodes.add("Reshape", x, nodes.constant(np.array([0, 1, *wrapping.answer_hw], np.int64)))
    mask = nodes.channel(x, wrapping.foreground)
    if wrapping.activation == "softmax":
        # For two channels it equals the sigmoid of their difference; Softmax has other semantics before opset 13.
        mask = nodes.add("Sub", mask, nodes.channel(x, 0))
    if wrapping.activation == "none":
        mask = nodes.add("Clip", mask, nodes.constant(np.float32(0)), nodes.constant(np.float32(1)))
    else:
        mask = nodes.add("Sigmoid", mask)
    if wrapping.answer_hw != (wrapping.size, wrapping.size):
        mask = nodes.resized(mask, wrapping.size)
    nodes.add("Gather", mask, nodes.constant(np.int64(0)), output=contract.OUTPUT_NAME, axis=_CHANNEL_AXIS)


class _Nodes:
    """Collects nodes, in the form of the network's own opset, and their constants."""

    def __init__(self, stage: str, opset: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._prefix = f"{_PREFIX}{stage}/"
        self._opset = opset

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Adds a node and returns the name of its output."""
        from onnx import helper

        name = f"{self._prefix}{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output or name], name, **attributes))
        return output or name

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        """Adds a constant and returns its name."""
        from onnx import numpy_helper

        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def channel(self, x: str, index: int) -> str:
        """One channel of [n, c, h, w], as [n, 1, h, w]."""
        return self.add("Gather", x, self.constant(np.array([index], np.int64)), axis=_CHANNEL_AXIS)

    def maximum_of_each(self, x: str) -> str:
        """The largest value of each image, as [n, 1, 1, 1]."""
        axes = [1, 2, 3]
        if self._opset < 18:
            return self.add("ReduceMax", x, axes=axes, keepdims=1)
        return self.add("ReduceMax", x, self.constant(np.array(axes, np.int64)), keepdims=1)

    def resized(self, x: str, size: int) -> str:
        """[n, 1, h, w] as [n, 1, size, size], bilinear between the pixels' centres."""
        # Sizes, not scales: 333 times 1000 / 333 is 999 in float32.
        start, stop = self.constant(np.array([0], np.int64)), self.constant(np.array([2], np.int64))
        batch_and_channel = self.add("Slice", self.add("Shape", x), start, stop)
        sizes = self.add("Concat", batch_and_channel, self.constant(np.array([size, size], np.int64)), axis=0)
        # An unused input is an empty name since opset 13, and an empty tensor before.
        none = "" if self._opset >= 13 else self.constant(np.array([], np.float32))
        return self.add("Resize", x, none, none, sizes, mode="linear", coordinate_transformation_mode="half_pixel")
