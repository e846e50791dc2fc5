"""Tiny networks with the inputs and outputs of published ONNX files, whose results numpy can compute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIZE = 96

# One row for each output channel; most networks have only the first.
WEIGHTS = np.array([[2.0, -3.0, 1.5], [-1.0, 2.5, 0.5]], np.float32)
BIASES = np.array([0.25, -0.5], np.float32)


def logits(normalised: NDArray[Any], channels: int = 1) -> NDArray[np.float64]:
    """The output of `network`, float64 [n, channels, H, W], for normalised images [n, 3, H, W]."""
    sums = np.tensordot(WEIGHTS[:channels].astype(np.float64), normalised.astype(np.float64), ([1], [1]))
    return np.asarray(np.moveaxis(sums, 0, 1) + BIASES[:channels].reshape(1, -1, 1, 1))


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x)))


def imagenet(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Normalises uint8 [n, H, W, 3] with the statistics of ImageNet: float64 [n, 3, H, W]."""
    x = (images / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    return x.transpose(0, 3, 1, 2)


def network(
    path: Path,
    *,
    input_name: str = "input_image",
    shape: Sequence[int | str] = ("n", 3, SIZE, SIZE),
    channels: int = 1,
    tail: Sequence[onnx.NodeProto] = (),
    constants: Sequence[onnx.TensorProto] = (),
    outputs: Sequence[str] = ("logits",),
    half: bool = False,
    opset: int = 17,
    ir_version: int = 8,
    **saving: Any,
) -> Path:
    """Writes a network: a 1 x 1 convolution called `logits`, followed by `tail`."""
    dtype = np.float16 if half else np.float32
    element = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    weights = [
        numpy_helper.from_array(WEIGHTS[:channels].reshape(channels, 3, 1, 1).astype(dtype), "conv.weight"),
        numpy_helper.from_array(BIASES[:channels].astype(dtype), "conv.bias"),
        *constants,
    ]
    inputs = [helper.make_tensor_value_info(input_name, element, shape)]
    if ir_version < 4:
        inputs += [helper.make_tensor_value_info(w.name, w.data_type, w.dims) for w in weights]
    graph = helper.make_graph(
        [helper.make_node("Conv", [input_name, "conv.weight", "conv.bias"], ["logits"]), *tail],
        "published",
        inputs,
        [helper.make_tensor_value_info(name, element, None) for name in outputs],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    onnx.save(model, path, **saving)
    return path


def birefnet(path: Path, **changes: Any) -> Path:
    """`input_image` to `output_image`, logits (BiRefNet's own exporter)."""
    tail = [helper.make_node("Identity", ["logits"], ["output_image"])]
    return network(path, **{"tail": tail, "outputs": ["output_image"], **changes})


def rmbg_1_4(path: Path, **changes: Any) -> Path:
    """`input` to `output`, 0..1."""
    tail = [helper.make_node("Sigmoid", ["logits"], ["output"])]
    return network(path, **{"input_name": "input", "tail": tail, "outputs": ["output"], **changes})


def u2net(path: Path, **changes: Any) -> Path:
    """Seven masks in 0..1 with numbers as names; the first is the best, and the others are inverted here."""
    names = [str(number) for number in range(1959, 1966)]
    tail = [helper.make_node("Sigmoid", ["logits"], [names[0]]), helper.make_node("Neg", ["logits"], ["turned"])]
    tail += [helper.make_node("Sigmoid", ["turned"], [name]) for name in names[1:]]
    return network(path, **{"input_name": "input.1", "tail": tail, "outputs": names, **changes})


def smaller(path: Path, **changes: Any) -> Path:
    """A network whose mask has half the size of the input."""
    tail = [helper.make_node("AveragePool", ["logits"], ["mask"], kernel_shape=[2, 2], strides=[2, 2])]
    return network(path, **{"tail": tail, "outputs": ["mask"], **changes})


def batch_baked_in(path: Path, **changes: Any) -> Path:
    """A network with a dynamic batch axis that fails at batch sizes other than one."""
    tail = [helper.make_node("Reshape", ["logits", "shape"], ["mask"])]
    shape = numpy_helper.from_array(np.array([1, 1, SIZE, SIZE], np.int64), "shape")
    return network(path, **{"tail": tail, "constants": [shape], "outputs": ["mask"], **changes})


def mixes_its_batch(path: Path, **changes: Any) -> Path:
    """A network whose outputs depend on the other images of the batch, without any error."""
    tail = [
        helper.make_node("ReduceMax", ["logits"], ["most"], keepdims=1),
        helper.make_node("Sub", ["logits", "most"], ["mask"]),
    ]
    return network(path, **{"tail": tail, "outputs": ["mask"], **changes})


def constant(path: Path) -> Path:
    """A network that answers 2 for every image."""
    tail = [
        helper.make_node("Mul", ["logits", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "two"], ["mask"]),
    ]
    constants = [numpy_helper.from_array(np.float32(n), name) for n, name in ((0, "zero"), (2, "two"))]
    return network(path, tail=tail, constants=constants, outputs=["mask"])
