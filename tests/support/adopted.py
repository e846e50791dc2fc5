"""Adopts a tiny network and runs the published graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
from google.protobuf import text_format
from numpy.typing import NDArray
from tritonclient.grpc.model_config_pb2 import ModelConfig

from support.published import SIZE
from tuft_export.adopt import Adopted, AdoptOptions, adopt
from tuft_export.adopt.configuration import FILES

Truth = Callable[[NDArray[np.uint8]], NDArray[Any]]


def adopted(path: Path, repository: Path, **options: Any) -> Adopted:
    wanted = {"name": "tiny", "normalize": "imagenet", "output_activation": "sigmoid", **options}
    return adopt(path, AdoptOptions(repository=repository, **wanted))


def in_onnxruntime(folder: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["SALIENCY"], {"IMAGE": images})[0])


def in_openvino(folder: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Runs the graph like model.py: compiled for one picture, one picture at a time."""
    core = openvino.Core()
    graph = core.read_model(folder / "model.onnx")
    graph.reshape([1, SIZE, SIZE, 3])
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.concatenate([compiled([image[None]])[0] for image in images])


def configurations(folder: Path) -> dict[str, ModelConfig]:
    return {file: text_format.Parse((folder / file).read_text(), ModelConfig()) for file in FILES}
