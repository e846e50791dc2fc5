"""The model that Triton's Python backend serves where a graph has other tensors than one picture and its saliency.

It is published as `model.py`, as `model` is for the others. Names, types and shapes are those of its configuration; the
parameters are `precision` and `threads`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb_utils

# The copy in this version folder, as in `model`.
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
        self._inputs = [each["name"] for each in config["input"]]
        self._outputs = {each["name"]: pb_utils.triton_string_to_numpy(each["data_type"]) for each in config["output"]}
        parameters = {name: value["string_value"] for name, value in config.get("parameters", {}).items()}
        try:
            self._graph = tuft_runtime.load_tensors(
                Path(args["model_repository"]) / args["model_version"] / "model.onnx",
                precision=parameters.get("precision", "f32"),
                threads=int(parameters.get("threads", "0")),
            )
        except (tuft_runtime.LoadError, ValueError) as exc:
            raise pb_utils.TritonModelException(str(exc)) from exc

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers each request, as `model.TritonPythonModel.execute` does.

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
        tensors = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
        count = len(next(iter(tensors.values())))
        rows = [
            self._graph.infer({name: values[row : row + 1] for name, values in tensors.items()}) for row in range(count)
        ]
        outputs = [
            pb_utils.Tensor(name, np.concatenate([row[name] for row in rows]).astype(dtype, copy=False))
            for name, dtype in self._outputs.items()
        ]
        return pb_utils.InferenceResponse(outputs)
