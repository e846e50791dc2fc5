"""A checkpoint's network as a graph: exported to ONNX once and kept, or compiled in this process."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from _lib.published import checkpoint_of, fingerprint
from tuft_export.checkpoints import load_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from tuft_export.inspyrenet import InSPyReNet


def plain_graph(weights: str, size_px: int, folder: Path) -> Path:
    """Exports a plain (not blended) pass in float32 and returns its ONNX file, weights included.

    Above the base size this is not the graph that is served: it shows what size costs, the network being the same.

    Args:
        weights: One of `_lib.published.WEIGHTS`.
        size_px: Working size, a multiple of 32.
        folder: Keeps the file until the code that exports has changed.
    """
    checkpoint = checkpoint_of(weights, folder)
    path = folder / f"plain-{weights}-{fingerprint(checkpoint)}-{size_px}.onnx"
    if not path.is_file():
        from tuft_export.graphs.onnx_from_torch import ExportOptions, onnx_from_torch

        model = onnx_from_torch(load_network(checkpoint), ExportOptions(size_px, blend=False))
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(model.SerializeToString())
        partial.replace(path)
    return path


def compiled(network: InSPyReNet, size_px: int, *, blend: bool) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Compiles a network for OpenVINO in float32, in this process.

    Returns:
        A function from a picture uint8 [S, S, 3] to its saliency float32 [S, S] in 0..1.
    """
    import openvino
    import torch

    from tuft_export.graphs.exportable import ServedNetwork

    example = torch.zeros(1, size_px, size_px, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter uses deprecated parts of torch
        model = openvino.convert_model(ServedNetwork(network, blend=blend).eval(), example_input=example)
    model.reshape(list(example.shape))
    served = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda picture: np.asarray(served(picture[None])[0])[0]
