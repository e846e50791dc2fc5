"""Runs an exported graph in this process, one image at a time: with OpenVINO or ONNX Runtime.

Triton's Python backend uses it, through `model.py`, and so does `tuft_local`; so may any other program:

    graph = tuft_runtime.load("model.onnx", precision="f32")
    saliency = graph.infer(image)  # uint8 [S, S, 3] -> float32 [S, S]

`tuft-export publish --runtime python` copies this package into the version folder, so that a published model keeps the
code it was published with. It needs numpy and one of the engines, and imports nothing of tuft.
"""

from __future__ import annotations

from tuft_runtime.errors import GraphError, InferenceError, InterruptedInferenceError, LoadError
from tuft_runtime.graph import FullGraph, Graph
from tuft_runtime.loading import ENGINES, best_engine, load
from tuft_runtime.program import Interrupt
from tuft_runtime.tensors import TensorGraph, load_tensors
from tuft_runtime.tiled import TiledGraph

__all__ = [
    "ENGINES",
    "FullGraph",
    "Graph",
    "GraphError",
    "InferenceError",
    "Interrupt",
    "InterruptedInferenceError",
    "LoadError",
    "TensorGraph",
    "TiledGraph",
    "best_engine",
    "load",
    "load_tensors",
]
