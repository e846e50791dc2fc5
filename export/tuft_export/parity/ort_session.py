"""Graphs in ONNX Runtime on the CPU, without its log output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft import contract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import onnx
    from numpy.typing import NDArray

_LOG_FATAL: Final = 4
_REASON_CHARACTERS: Final = 300


class OrtSession:
    """Any graph.

    Args:
        model: The graph, or its file, beside which its external data may lie.

    Raises:
        Exception: ONNX Runtime cannot load it. Neither these exceptions nor those of `run` have a common base.
    """

    def __init__(self, model: onnx.ModelProto | Path) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as in tuft_runtime
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_FATAL
        content = model if isinstance(model, Path) else model.SerializeToString()
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(self, output: str, input_name: str, value: NDArray[Any]) -> NDArray[Any]:
        """The output of this name for the input of this name."""
        result: NDArray[Any] = self._session.run([output], {input_name: value})[0]
        return result

    def run_all(self, outputs: Sequence[str], tensors: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Outputs for inputs by name."""
        results: list[NDArray[Any]] = self._session.run(list(outputs), dict(tensors))
        return results


class Saliency(OrtSession):
    """A graph with the wire contract's input and output: maps uint8 [n, S, S, 3] to float32 [n, S, S]."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The saliency of a batch."""
        return self.run(contract.OUTPUT_NAME, contract.INPUT_NAME, images)


def failure_reason(exc: Exception) -> str:
    """ONNX Runtime's message in one line."""
    return " ".join(str(exc).split())[:_REASON_CHARACTERS].rstrip(".")
