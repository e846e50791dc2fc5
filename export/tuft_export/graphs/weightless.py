"""Graphs without weights, and weights without torch.

An exported graph holds its weights as initializers named by their state-dict keys. Without them a few hundred kilobytes
of structure remain. The demo ships like this: one small graph for each size, and one checkpoint for all of them.
Inserting the weights needs no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import onnx
    from numpy.typing import NDArray

# The exported module holds the network as its attribute `network`.
_PREFIX: Final = "network."


def demo_graph(size: int) -> Path:
    """The graph that ships with tuft for the demo checkpoint at working size `size` in pixels."""
    return Path(__file__).parents[1] / "demo" / f"graph_{size}.onnx"


def without_weights(model: onnx.ModelProto, keys: set[str]) -> onnx.ModelProto:
    """A copy in which the initializers of the state-dict `keys` have names and shapes but no values."""
    import onnx

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    for tensor in bare.graph.initializer:
        if tensor.name.removeprefix(_PREFIX) in keys:
            dims, data_type, name = list(tensor.dims), tensor.data_type, tensor.name
            tensor.Clear()
            tensor.name, tensor.data_type = name, data_type
            tensor.dims.extend(dims)
            tensor.data_location = onnx.TensorProto.EXTERNAL
    return bare


def with_weights(bare: onnx.ModelProto, arrays: Mapping[str, NDArray[np.generic]]) -> onnx.ModelProto:
    """The inverse of `without_weights`.

    Raises:
        CheckpointError: A weight is missing or of another shape: the graph belongs to another network.
    """
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(bare)
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        array = arrays.get(tensor.name.removeprefix(_PREFIX))
        if array is None or list(array.shape) != list(tensor.dims):
            raise CheckpointError(
                f"The graph needs {tensor.name} of shape {list(tensor.dims)}, which the checkpoint does not have: "
                "export this checkpoint's graph again with `tuft-export onnx`."
            )
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    return model


def read_bare(path: Path) -> onnx.ModelProto:
    """Reads a graph that was written without its weights."""
    import onnx

    return onnx.load(path, load_external_data=False)
