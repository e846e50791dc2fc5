"""OpenVINO on the CPU."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tuft_runtime.compile_cache import CompileCache
from tuft_runtime.openvino_split import split_graph
from tuft_runtime.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tuft_runtime.program import Interrupt


class OpenVinoProgram(Program):
    """A compiled model.

    Args:
        compiled: An `openvino.CompiledModel`.
    """

    def __init__(self, compiled: Any) -> None:
        self.request = compiled.create_infer_request()

    def run(self, inputs: Sequence[NDArray[Any]], interrupt: Interrupt) -> list[NDArray[Any]]:
        """See `Program.run`."""
        with interrupt.ending(self.request.cancel):
            outputs = self.request.infer(list(inputs))
        return [outputs[index] for index in range(len(outputs))]


def version() -> str:
    """OpenVINO's version."""
    import openvino

    return str(openvino.__version__).partition("-")[0]


def programs(path: Path, *, precision: str, threads: int, everywhere: bool, cache: Path | None) -> list[Program]:
    """The programs of a graph: one of the whole graph, or those of its trunk and of its stage at full resolution.

    Args:
        path: The ONNX file.
        precision: As in `tuft_runtime.load`; so are `threads` and `cache`.
        threads: CPU threads.
        everywhere: Whether the stage must be computed wherever it changes the result.
        cache: Folder of compiled graphs.

    Raises:
        RuntimeError: OpenVINO cannot compile it.
    """
    import openvino

    core = openvino.Core()
    properties = _properties(precision, threads)
    stored = CompileCache(cache, path, f"openvino {openvino.__version__} {sorted(properties.items())} {everywhere}")
    compiled = stored.read(lambda blob: _imported(core, blob, properties))
    if compiled is None:
        models = split_graph(core.read_model(path), everywhere=everywhere)
        compiled = [core.compile_model(model, "CPU", properties) for model in models]
        stored.write([partial(_export, model) for model in compiled])
    return [OpenVinoProgram(model) for model in compiled]


def whole(path: Path, *, precision: str, threads: int) -> tuple[Program, tuple[str, ...], tuple[str, ...]]:
    """The program of a graph with any tensors for a batch of one, and the names of its inputs and outputs.

    Args:
        path: The ONNX file.
        precision: As in `tuft_runtime.load`; so is `threads`.
        threads: CPU threads.

    Raises:
        RuntimeError: OpenVINO cannot compile it.
    """
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    shapes = {}
    for value in model.inputs:
        shape = value.get_partial_shape()
        shape[0] = 1
        shapes[value] = shape
    model.reshape(shapes)
    compiled = core.compile_model(model, "CPU", _properties(precision, threads))
    names = [tuple(value.get_any_name() for value in values) for values in (compiled.inputs, compiled.outputs)]
    return OpenVinoProgram(compiled), names[0], names[1]


def _properties(precision: str, threads: int) -> dict[str, str]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": str(threads),
    }


def _imported(core: Any, blob: Path, properties: Mapping[str, str]) -> Any:
    # The properties are not stored with a compiled model: without them it computes in bfloat16 on CPUs that have it.
    return core.import_model(blob.read_bytes(), "CPU", dict(properties))


def _export(compiled: Any, blob: Path) -> None:
    blob.write_bytes(compiled.export_model().getvalue())
