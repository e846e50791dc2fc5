"""The model that Triton's Python backend serves: `model.onnx` in OpenVINO, on the CPU, one image at a time.

`tuft-export publish --runtime python` copies this file into a version folder as `model.py`, beside `model.onnx`.
Triton runs it in a process of its own, so it imports nothing of tuft. Its settings are the `parameters` of
`configs/python.pbtxt`:

    precision   what OpenVINO computes in, `f32` (default) or `bf16`
    threads     CPU threads, 0 (default) for as many as cores

OpenVINO's cache of compiled graphs stays off: for the 370 MB graph of the base network at 384 it saved 2 of 6 seconds
and cost 355 MB of disk and 340 MB of memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb_utils

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

INPUT_NAME = "IMAGE"
OUTPUT_NAME = "SALIENCY"


class TritonPythonModel:
    """What Triton's Python backend calls: `initialize` once, `execute` for requests, `finalize` at the end."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Compile the graph.

        Args:
            args: From Triton; used are `model_repository` (the model's folder), `model_version` and `model_config`
                (JSON).

        Raises:
            TritonModelException: OpenVINO or the graph is missing, or OpenVINO cannot compile it.
        """
        config = json.loads(args["model_config"])
        settings = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
        output = pb_utils.get_output_config_by_name(config, OUTPUT_NAME)
        self._output_dtype = pb_utils.triton_string_to_numpy(output["data_type"])
        version_folder = Path(args["model_repository"]) / args["model_version"]
        self._network = _compiled(version_folder, settings).create_infer_request()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer each request.

        An exception fails all `requests` and counts as a failure in Triton's metrics, which a response that carries
        an error does not. The configuration hands over one request at a time, so nobody else's fails with it; and
        Triton has refused wrong names, types and shapes before.

        Raises:
            TritonModelException: The network failed; the message says `out of memory` where that is the reason.
        """
        return [self._response(request) for request in requests]

    def finalize(self) -> None:
        """Let go of the compiled graph."""
        del self._network

    def _response(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, INPUT_NAME).as_numpy()
        saliency = np.empty(images.shape[:3], self._output_dtype)
        for index in range(len(images)):
            saliency[index] = self._saliency(images[index : index + 1])
        return pb_utils.InferenceResponse([pb_utils.Tensor(OUTPUT_NAME, saliency)])

    def _saliency(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.floating[Any]]:
        """The answer of shape [1, S, S] to an image of shape [1, S, S, 3]: OpenVINO's memory, valid until the next."""
        try:
            answer: npt.NDArray[np.floating[Any]] = self._network.infer([image])[0]
        except (MemoryError, RuntimeError) as exc:
            raise _model_exception("The network failed", exc) from exc
        return answer


def _compiled(version_folder: Path, settings: Mapping[str, str]) -> Any:
    """The graph in `version_folder`, compiled by OpenVINO for one image."""
    try:
        import openvino
    except ImportError as exc:
        raise pb_utils.TritonModelException(
            "OpenVINO is missing in the server's Python environment: pip install 'tuft[server]'."
        ) from exc
    path = version_folder / "model.onnx"
    if not path.is_file():
        raise pb_utils.TritonModelException(
            f"{path} is missing: publish the model again with `tuft-export publish --runtime python`."
        )
    core = openvino.Core()
    try:
        graph = core.read_model(path)
        graph.reshape([1, *graph.inputs[0].partial_shape[1:]])
        return core.compile_model(graph, "CPU", _properties(settings))
    except (MemoryError, RuntimeError) as exc:
        raise _model_exception(f"OpenVINO cannot load {path}", exc) from exc


def _properties(settings: Mapping[str, str]) -> dict[str, str]:
    """OpenVINO's properties for our settings."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": settings.get("precision", "f32"),
        "INFERENCE_NUM_THREADS": settings.get("threads", "0"),
    }


def _model_exception(what: str, cause: Exception) -> Exception:
    """Triton's exception with the cause in one line, and the words `out of memory` where that is the cause."""
    lines = (line.strip() for line in str(cause).splitlines())
    # OpenVINO begins with the places in its own sources that the exception passed.
    reason = " ".join(line for line in lines if line and not line.startswith("Exception from"))
    if isinstance(cause, MemoryError) or "Failed to allocate" in reason or "bad_alloc" in reason:
        reason = f"out of memory ({reason})"
    exception: Exception = pb_utils.TritonModelException(f"{what}: {reason}")
    return exception
