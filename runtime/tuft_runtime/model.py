"""The model that Triton's Python backend serves: `model.onnx` by `tuft_runtime`.

`tuft-export publish --runtime python` copies this file into a version folder, beside `model.onnx` and a copy of the
package `tuft_runtime`. Triton runs it in a process of its own. Its settings are the `parameters` of
`configs/python.pbtxt`, as arguments of `tuft_runtime.load` with OpenVINO: `precision`, `threads` and `full_resolution`.
Compiled graphs are cached in the folder that the environment variable TUFT_COMPILED names, if it is set.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb_utils

# The copy in this version folder, which was published and verified with it, not one that is installed. Each model has a
# process of its own, so each imports its own copy.
sys.path.insert(0, str(Path(__file__).parent))
try:
    import tuft_runtime
finally:
    del sys.path[0]

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class TritonPythonModel:
    """The interface of Triton's Python backend: `initialize` once, `execute` for requests, `finalize` at the end."""

    def initialize(self, args: Mapping[str, str]) -> None:
        """Loads and compiles the graph.

        Args:
            args: From Triton; used are `model_repository` (the model's folder), `model_version` and `model_config`
                (JSON).

        Raises:
            TritonModelException: OpenVINO or the graph is missing, OpenVINO cannot compile it, or a setting is wrong.
        """
        config = json.loads(args["model_config"])
        self._input_name = config["input"][0]["name"]
        self._output_name = config["output"][0]["name"]
        self._output_dtype = pb_utils.triton_string_to_numpy(config["output"][0]["data_type"])
        parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
        cache = os.environ.get("TUFT_COMPILED")
        try:
            self._graph = tuft_runtime.load(
                Path(args["model_repository"]) / args["model_version"] / "model.onnx",
                precision=parameters.get("precision", "f32"),
                full_resolution=parameters.get("full_resolution", "exact"),
                threads=int(parameters.get("threads", "0")),
                cache=Path(cache) if cache else None,
            )
        except (tuft_runtime.LoadError, ValueError) as exc:
            raise pb_utils.TritonModelException(str(exc)) from exc

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers each request.

        An exception fails all `requests` and counts as a failure in Triton's metrics, which a response with an error
        does not. The configuration passes one request at a time, so no other request fails with it. Triton has already
        refused wrong names, types and shapes.

        Raises:
            TritonModelException: The network failed; the message says `out of memory` where that is the reason.
        """
        try:
            return [self._response(request) for request in requests]
        except tuft_runtime.InferenceError as exc:
            raise pb_utils.TritonModelException(str(exc)) from exc

    def finalize(self) -> None:
        """Releases the compiled graph."""
        del self._graph

    def _response(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, self._input_name).as_numpy()
        outputs = np.stack([self._graph.infer(image) for image in images]).astype(self._output_dtype, copy=False)
        return pb_utils.InferenceResponse([pb_utils.Tensor(self._output_name, outputs)])
