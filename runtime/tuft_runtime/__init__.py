"""Runs an exported graph in this process: OpenVINO, on the CPU, one image at a time.

Triton's Python backend uses it, through `model.py`; so may any other program:

    graph = tuft_runtime.load("model.onnx", precision="f32")
    saliency = graph.infer(image)  # uint8 [S, S, 3] -> float32 [S, S]

`tuft-export publish --runtime python` copies this package into the version folder, so that a published model keeps the
code it was published with. It needs numpy and OpenVINO, and imports nothing of tuft.
"""

from __future__ import annotations

from tuft_runtime.errors import GraphError, InferenceError, LoadError
from tuft_runtime.graph import FullGraph, Graph
from tuft_runtime.loading import load
from tuft_runtime.tiled import TiledGraph

__all__ = ["FullGraph", "Graph", "GraphError", "InferenceError", "LoadError", "TiledGraph", "load"]
