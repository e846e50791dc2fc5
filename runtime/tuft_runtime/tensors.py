"""A compiled graph with any named tensors, such as those of a model that takes prompts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from tuft_runtime import onnxruntime_engine, openvino_engine
from tuft_runtime.errors import InferenceError, LoadError, raised_as
from tuft_runtime.loading import require_engine
from tuft_runtime.program import Interrupt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tuft_runtime.program import Program

_PUBLISH_AGAIN: Final = "publish the model again"


class NamedProgram(NamedTuple):
    """A program with the names of its tensors, in its order.

    Attributes:
        program: The compiled graph.
        inputs: Names of its inputs.
        outputs: Names of its outputs.
    """

    program: Program
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class TensorGraph:
    """A graph that is ready to run, made by `load_tensors`; not thread-safe.

    Args:
        named: The compiled graph.
    """

    def __init__(self, named: NamedProgram) -> None:
        self._named = named

    def infer(
        self, tensors: Mapping[str, NDArray[Any]], *, interrupt: Interrupt | None = None
    ) -> dict[str, NDArray[Any]]:
        """The graph's outputs by name.

        Args:
            tensors: Its inputs by name, each with a batch axis of one.
            interrupt: Ends the computation, from any thread.

        Raises:
            InferenceError: An input is missing, or the computation failed; `out_of_memory` says whether for lack of
                memory.
            InterruptedInferenceError: `interrupt` was set.
        """
        missing = [name for name in self._named.inputs if name not in tensors]
        if missing:
            raise InferenceError(f"The network needs {missing[0]} too.")
        with raised_as(InferenceError, "The network failed"):
            inputs = [tensors[name] for name in self._named.inputs]
            outputs = self._named.program.run(inputs, interrupt or Interrupt())
        # An engine may use the memory of its outputs again.
        return {name: np.array(value) for name, value in zip(self._named.outputs, outputs, strict=True)}


def load_tensors(
    path: str | os.PathLike[str],
    *,
    precision: str = "f32",
    threads: int = 0,
    engine: str = "openvino",
    device: str | None = None,
) -> TensorGraph:
    """Loads a graph and compiles it for a batch of one; other open axes stay open.

    Args:
        path: The ONNX file.
        precision: As for `tuft_runtime.load`; so are `threads`, `engine` and `device`.
        threads: CPU threads; 0 uses one per core.
        engine: `openvino` or `onnxruntime`.
        device: For ONNX Runtime.

    Raises:
        LoadError: The engine or the graph is missing, or the engine cannot compile it.
        ValueError: There is no such `engine`.
    """
    path = Path(path)
    name = require_engine(engine)
    if not path.is_file():
        raise LoadError(f"{path} is missing: {_PUBLISH_AGAIN}.")
    with raised_as(LoadError, f"{name} cannot load {path}"):
        if engine == "openvino":
            return TensorGraph(NamedProgram(*openvino_engine.whole(path, precision=precision, threads=threads)))
        return TensorGraph(NamedProgram(*onnxruntime_engine.whole(path, threads=threads, wanted=device)))
