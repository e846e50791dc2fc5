"""Model repositories with the project's configurations and tiny graphs whose output is known."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from google.protobuf import text_format
from onnx import TensorProto, helper, numpy_helper
from tritonclient.grpc import model_config_pb2

from tuft import contract, provenance
from tuft_export.publishing.python_backend import copy_python_backend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
CONFIGURATIONS = ROOT / "model_repository"
PYTHON_MODEL = ROOT / "runtime" / "tuft_runtime" / "model.py"


def mean_graph(size: int) -> onnx.ModelProto:
    """SALIENCY is the mean of the three channels in 0..1."""
    nodes = [
        helper.make_node("Cast", [contract.INPUT_NAME], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], [contract.OUTPUT_NAME]),
    ]
    constants = [
        numpy_helper.from_array(np.array([3], np.int64), "axes"),
        numpy_helper.from_array(np.array(255, np.float32), "white"),
    ]
    return _graph(size, nodes, constants)


def mean_saliency(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The output of `mean_graph`, computed by numpy."""
    return np.asarray(images.mean(axis=-1) / 255)


def mixing_graph(size: int) -> onnx.ModelProto:
    """SALIENCY is a sum over whole rows of pixels: every bit depends on the order of summation."""
    weights = np.random.default_rng(5).standard_normal((size, size)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", [contract.INPUT_NAME], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["mixed"]),
        helper.make_node("Sigmoid", ["mixed"], [contract.OUTPUT_NAME]),
    ]
    constants = [
        numpy_helper.from_array(np.array([3], np.int64), "axes"),
        numpy_helper.from_array(weights / 1e4, "weights"),
    ]
    return _graph(size, nodes, constants)


def _graph(size: int, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(contract.INPUT_NAME, TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info(contract.OUTPUT_NAME, TensorProto.FLOAT, ["n", size, size])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def misbehaving_model(behave: str) -> str:
    """Source of a model.py that runs the line `behave` for each request, with its `images`, and answers zeros."""
    return f"""
import time, numpy as np, triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            images = pb.get_input_tensor_by_name(request, "IMAGE").as_numpy()
            {behave}
            responses.append(pb.InferenceResponse([pb.Tensor("SALIENCY", np.zeros(images.shape[:3], np.float32))]))
        return responses
"""


def tiny_repository(
    folder: Path,
    *,
    sizes: Iterable[int] = (384,),
    graph: Callable[[int], onnx.ModelProto] = mean_graph,
    model: str | None = None,
    configure: Callable[[model_config_pb2.ModelConfig], None] | None = None,
) -> Path:
    """Makes a repository as `tuft-export publish --runtime python` does.

    Args:
        folder: Where.
        sizes: Which models are filled; the others have their configurations only.
        graph: Makes `model.onnx`.
        model: Source of another `model.py` than the project's.
        configure: Changes `configs/python.pbtxt`.
    """
    unpublished = shutil.ignore_patterns("[0-9]*", "warmup")
    for size in contract.SIZES:
        name = contract.model_name(size)
        shutil.copytree(CONFIGURATIONS / name, folder / name, ignore=unpublished)
    for size in sizes:
        model_folder = folder / contract.model_name(size)
        (model_folder / "1").mkdir()
        onnx.save(graph(size), model_folder / "1" / "model.onnx")
        if model is None:
            copy_python_backend(model_folder / "1")
        else:
            (model_folder / "1" / "model.py").write_text(model)
        (model_folder / "warmup").mkdir()
        (model_folder / "warmup" / "image").write_bytes(bytes(size * size * contract.CHANNELS))
        if configure is not None:
            _edit(model_folder / "configs" / "python.pbtxt", configure)
        seal(model_folder / "1")
    return folder


def seal(version: Path) -> None:
    """Writes the provenance of a version folder as if its current content had just been published."""

    def sha256(name: str) -> str:
        return hashlib.sha256((version / name).read_bytes()).hexdigest()

    chain = [{"kind": "checkpoint", "name": "tiny", "sha256": hashlib.sha256(b"tiny").hexdigest()}]
    onnx_sha256 = sha256("model.onnx") if (version / "model.onnx").exists() else hashlib.sha256(b"onnx").hexdigest()
    chain.append({"kind": "onnx", "sha256": onnx_sha256, "from": chain[-1]["sha256"]})
    if (version / "model.plan").exists():
        chain.append({"kind": "plan", "sha256": sha256("model.plan"), "from": chain[-1]["sha256"]})
    provenance.write(version, model=version.parent.name, version=version.name, chain=chain)


def _edit(path: Path, configure: Callable[[model_config_pb2.ModelConfig], None]) -> None:
    configuration = text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    configure(configuration)
    path.write_text(text_format.MessageToString(configuration))
