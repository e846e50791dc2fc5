"""ONNX Runtime on the CPU, silent: what it says goes into our own sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# From the names of an output and of the input, and the input, to the output.
Run: TypeAlias = "Callable[[str, str, NDArray[Any]], NDArray[Any]]"

_FATAL = 4
_REASON_CHARACTERS = 300


def session(path: Path) -> Run:
    """Loads a graph, with what lies beside it, and gives the function that runs it.

    Raises:
        Exception: ONNX Runtime cannot load it; neither these exceptions nor those of a run have a common base.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    loaded = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(output: str, name: str, value: NDArray[Any]) -> NDArray[Any]:
        answer: NDArray[Any] = loaded.run([output], {name: value})[0]
        return answer

    return run


def reason(exc: Exception) -> str:
    """What ONNX Runtime complains about, in one line."""
    return " ".join(str(exc).split())[:_REASON_CHARACTERS].rstrip(".")
