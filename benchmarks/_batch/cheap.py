"""A model repository whose network costs next to nothing: saliency is the brightness of each pixel."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from _lib.sealing import seal_anew
from onnx import TensorProto, helper, numpy_helper

from tuft import contract
from tuft_export.publishing.demo import demo_repository

if TYPE_CHECKING:
    from pathlib import Path

_SIZE: Final = 384
_OPSET: Final = 20
_IR: Final = 10


def cheap_repository(folder: Path) -> Path:
    """Writes a repository with one model, of which what is measured is everything around it.

    Args:
        folder: Where.
    """
    name = contract.model_name(_SIZE)
    shutil.copytree(demo_repository() / name, folder / name, symlinks=False)
    (version,) = (path for path in (folder / name).iterdir() if path.name.isdecimal())
    onnx.save(_brightness(), version / "model.onnx")
    seal_anew(version, "brightness")
    return folder


def _brightness() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", [contract.INPUT_NAME], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], [contract.OUTPUT_NAME]),
    ]
    constants = [
        numpy_helper.from_array(np.array([3], np.int64), "axes"),
        numpy_helper.from_array(np.array(255, np.float32), "white"),
    ]
    shape = ["n", _SIZE, _SIZE]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info(contract.INPUT_NAME, TensorProto.UINT8, [*shape, contract.CHANNELS])],
        [helper.make_tensor_value_info(contract.OUTPUT_NAME, TensorProto.FLOAT, shape)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
