"""What tuft's latency is compared with, each in a process of its own, which `latency.py` starts.

`_contestants.py reference CHECKPOINT` and `_contestants.py bare VERSION_FOLDER` answer the path of a photograph.
"""

from __future__ import annotations

import functools
import io
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _lib.served_network import Tensor, model_module
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
        From the path of a photograph to milliseconds by stage.
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
    """The network that is served, called without Triton: the version's own `model.py`, with its own parameters.

    Returns:
        From the path of a photograph to milliseconds. The photograph itself, since how much of the stage at full
        resolution is computed depends on what is seen; squashed, which is not counted.
    """
    model = _served_model(version_folder)
    size = int(_configuration(version_folder)["input"][0]["dims"][0])

    @functools.cache
    def picture(path: str) -> NDArray[np.uint8]:
        rgb = np.asarray(Image.open(path).convert("RGB"))
        return network_image(rgb, size, "static")[0][None]

    def run(path: str) -> Mapping[str, float]:
        image = Tensor("IMAGE", picture(path))
        began_s = time.perf_counter()
        model.execute([{"IMAGE": image}])
        return {"network": (time.perf_counter() - began_s) * 1e3}

    return run


def _served_model(version_folder: Path) -> Any:
    model = model_module(version_folder / "model.py").TritonPythonModel()
    model.initialize(
        {
            "model_repository": str(version_folder.parent),
            "model_version": version_folder.name,
            "model_config": json.dumps(_configuration(version_folder)),
        }
    )
    return model


def _configuration(version_folder: Path) -> dict[str, Any]:
    """What Triton would pass to `initialize`."""
    from google.protobuf import json_format, text_format  # type: ignore[import-untyped,unused-ignore]
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    text = (version_folder.parent / "configs" / "python.pbtxt").read_text()
    parsed = text_format.Parse(text, ModelConfig())
    configuration: dict[str, Any] = json_format.MessageToDict(parsed, preserving_proto_field_name=True)
    return configuration


if __name__ == "__main__":
    main()
