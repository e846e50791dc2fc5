"""The reference for engines: their graph, computed in float32 on the CPU.

ONNX Runtime's CPU kernels do not support bfloat16, and compute half precision through casts of their own. The same
graph widened to float32 runs on any machine and cannot overflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuft_export.parity.ort_session import Saliency

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray


def reference_saliency(graph: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Runs a serialised graph, widened to float32, in ONNX Runtime on the CPU.

    Args:
        graph: As the wire contract describes it.
        images: uint8 [n, S, S, 3].

    Returns:
        float32 [n, S, S] in 0..1, each image computed alone.
    """
    import onnx

    saliency = Saliency(widened(onnx.load_model_from_string(graph)))
    return np.asarray(np.concatenate([saliency(image[None]) for image in images]), np.float32)


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a graph with float32 instead of float16 and bfloat16 in constants, casts and declared types."""
    import onnx

    half = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    for tensor in wide.graph.initializer:
        _widen_tensor(tensor, half)
    for attribute in (attribute for node in wide.graph.node for attribute in node.attribute):
        if attribute.name == "to" and attribute.i in half:  # of a Cast
            attribute.i = onnx.TensorProto.FLOAT
        elif attribute.type == onnx.AttributeProto.TENSOR:  # of a Constant
            _widen_tensor(attribute.t, half)
    for value in (*wide.graph.value_info, *wide.graph.input, *wide.graph.output):
        if value.type.tensor_type.elem_type in half:
            value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return wide


def _widen_tensor(tensor: Any, half: tuple[int, ...]) -> None:
    from onnx import numpy_helper

    if tensor.data_type in half:
        array = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
