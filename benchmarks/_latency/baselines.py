"""Baselines of tuft's latency, each in a process of its own: `python -m _latency.baselines NAME PATH`.

`reference CHECKPOINT` is transparent-background; `bare VERSION_FOLDER` is the served network without Triton. Both read
paths of photographs and answer with milliseconds by stage.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from _lib.subprocess_worker import answer_lines
from PIL import Image

from tuft.imaging.preprocess import network_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray


def main() -> None:
    name, path = sys.argv[1], Path(sys.argv[2])
    prepare = {"reference": reference, "bare": bare}[name]
    answer_lines(lambda: prepare(path))


def reference(checkpoint: Path) -> Callable[[str], Mapping[str, float]]:
    """transparent-background as its users call it: `Remover.process(type="rgba")`, saved as PNG.

    Returns:
        A function from the path of a photograph to milliseconds by stage.
    """
    from _lib.published import reference_remover

    remover = reference_remover(checkpoint)
    Image.init()

    def run(path: str) -> Mapping[str, float]:
        jpeg = Path(path).read_bytes()
        began_s = time.perf_counter()
        photo = Image.open(io.BytesIO(jpeg)).convert("RGB")
        decoded_s = time.perf_counter()
        cutout = remover.process(photo, type="rgba")
        processed_s = time.perf_counter()
        cutout.save(io.BytesIO(), "PNG")
        moments_s = (began_s, decoded_s, processed_s, time.perf_counter())
        stages = ("decode", "process", "save")
        return {stage: (moments_s[i + 1] - moments_s[i]) * 1e3 for i, stage in enumerate(stages)}

    return run


def bare(version_folder: Path) -> Callable[[str], Mapping[str, float]]:
    """The served network without Triton: the `model.py` of a version folder, with its own parameters.

    It computes the photograph itself, because the work of the stage at full resolution depends on the picture. Decoding
    and resizing are not timed.

    Returns:
        A function from the path of a photograph to milliseconds.
    """
    model = _served_model(version_folder)
    size = int(_configuration(version_folder)["input"][0]["dims"][0])

    @functools.cache
    def picture(path: str) -> NDArray[np.uint8]:
        rgb = np.asarray(Image.open(path).convert("RGB"))
        return network_image(rgb, size, "static")[0][None]

    def run(path: str) -> Mapping[str, float]:
        image = _Tensor("IMAGE", picture(path))
        began_s = time.perf_counter()
        model.execute([{"IMAGE": image}])
        return {"network": (time.perf_counter() - began_s) * 1e3}

    return run


def _served_model(version_folder: Path) -> Any:
    model = _module_without_triton(version_folder / "model.py").TritonPythonModel()
    model.initialize(
        {
            "model_repository": str(version_folder.parent),
            "model_version": version_folder.name,
            "model_config": json.dumps(_configuration(version_folder)),
        }
    )
    return model


def _configuration(version_folder: Path) -> dict[str, Any]:
    """The model configuration that Triton passes to `initialize`."""
    from google.protobuf import json_format, text_format  # type: ignore[import-untyped,unused-ignore]
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    text = (version_folder.parent / "configs" / "python.pbtxt").read_text()
    parsed = text_format.Parse(text, ModelConfig())
    configuration: dict[str, Any] = json_format.MessageToDict(parsed, preserving_proto_field_name=True)
    return configuration


class _Tensor:
    """The part of Triton's tensor that `model.py` uses."""

    def __init__(self, name: str, array: NDArray[Any]) -> None:
        self.name, self._array = name, array

    def as_numpy(self) -> NDArray[Any]:
        return self._array


def _module_without_triton(path: Path) -> Any:
    """Imports a `model.py` with a stand-in for Triton's own module; requests are dictionaries of `_Tensor`."""
    stand_in: Any = ModuleType("triton_python_backend_utils")
    stand_in.TritonModelException = RuntimeError
    stand_in.Tensor = _Tensor
    stand_in.InferenceResponse = list
    stand_in.get_input_tensor_by_name = lambda request, name: request[name]
    stand_in.get_output_config_by_name = lambda config, name: next(o for o in config["output"] if o["name"] == name)
    stand_in.triton_string_to_numpy = {"TYPE_FP32": np.float32, "TYPE_FP16": np.float16}.__getitem__
    sys.modules[stand_in.__name__] = stand_in
    spec = importlib.util.spec_from_file_location("served_model", path)
    assert spec is not None
    assert spec.loader is not None
    sys.dont_write_bytecode = True  # no new files in a published version folder
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
