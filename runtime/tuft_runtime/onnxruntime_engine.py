"""ONNX Runtime: on the CPU, or on a GPU that its installed build can use."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tuft_runtime.compile_cache import CompileCache
from tuft_runtime.onnx_split import split_graph
from tuft_runtime.program import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tuft_runtime.program import Interrupt

_LOG_FATAL: Final = 4
_CPU: Final = "CPUExecutionProvider"
# By the name of `device` in `tuft_runtime.load`.
PROVIDERS: Final = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": _CPU,
}
# Chosen without being asked for. TensorRT builds its engine for minutes; CoreML computes in half precision.
_BY_ITSELF: Final = ("cuda", "directml", "cpu")


class OrtProgram(Program):
    """A session.

    Args:
        session: An `onnxruntime.InferenceSession`.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        self._inputs = [value.name for value in session.get_inputs()]

    def run(self, inputs: Sequence[NDArray[Any]], interrupt: Interrupt) -> list[NDArray[Any]]:
        """See `Program.run`."""
        options = _library().RunOptions()

        def stop() -> None:
            options.terminate = True

        with interrupt.ending(stop), _as_runtime_error():
            values: list[NDArray[Any]] = self.session.run(None, dict(zip(self._inputs, inputs, strict=True)), options)
        return values


def version() -> str:
    """ONNX Runtime's version."""
    return str(_library().__version__)


def device(wanted: str | None = None) -> str:
    """The device to compute on: `wanted`, else the best of those that this build of ONNX Runtime has.

    Raises:
        RuntimeError: This build does not have `wanted`.
    """
    providers = _library().get_available_providers()
    available = [name for name, provider in PROVIDERS.items() if provider in providers]
    if wanted is None:
        return next(name for name in _BY_ITSELF if name in available)
    if wanted not in available:
        raise RuntimeError(f"this build of ONNX Runtime computes on {', '.join(available)}, not on {wanted}")
    return wanted


def programs(
    path: Path, *, threads: int, everywhere: bool, cache: Path | None, wanted: str | None = None
) -> list[Program]:
    """The programs of a graph: one of the whole graph, or those of its trunk and of its stage at full resolution.

    On a GPU it is always the whole graph: tiles would travel to the GPU and back.

    Args:
        path: The ONNX file.
        threads: As in `tuft_runtime.load`; so is `cache`.
        everywhere: Whether the stage must be computed wherever it changes the result.
        cache: Folder of compiled graphs.
        wanted: A device, one of PROVIDERS; None chooses.

    Raises:
        RuntimeError: ONNX Runtime cannot compile it.
    """
    chosen = device(wanted)
    if chosen != "cpu":
        session = _Start(chosen, threads, cache).session(path)
        if PROVIDERS[chosen] in session.get_providers():
            return [OrtProgram(session)]
        if wanted is not None:
            raise RuntimeError(f"{wanted} does not start here: its libraries or its driver are missing")
    start = _Start("cpu", threads, cache)
    stored = CompileCache(cache, path, f"onnxruntime {version()} {threads} {everywhere}")
    sessions = stored.read(lambda file: start.session(file, is_optimised=True))
    if sessions is None:
        sessions = _compiled(path, start, stored, everywhere=everywhere)
    return [OrtProgram(session) for session in sessions]


def whole(path: Path, *, threads: int, wanted: str | None = None) -> tuple[Program, tuple[str, ...], tuple[str, ...]]:
    """The program of a graph with any tensors, and the names of its inputs and outputs.

    Args:
        path: The ONNX file.
        threads: As in `tuft_runtime.load`.
        wanted: A device, one of PROVIDERS; None chooses.

    Raises:
        RuntimeError: ONNX Runtime cannot compile it.
    """
    chosen = device(wanted)
    session = _Start(chosen, threads, None).session(path)
    if PROVIDERS[chosen] not in session.get_providers() and wanted is not None:
        raise RuntimeError(f"{wanted} does not start here: its libraries or its driver are missing")
    names = [tuple(value.name for value in values) for values in (session.get_inputs(), session.get_outputs())]
    return OrtProgram(session), names[0], names[1]


def _compiled(path: Path, start: _Start, stored: CompileCache, *, everywhere: bool) -> list[Any]:
    import onnx

    with _as_runtime_error():
        parts = [part.SerializeToString() for part in split_graph(onnx.load(path), everywhere=everywhere)]
    sessions = [None] * len(parts)

    def writer(index: int) -> Callable[[Path], object]:
        def write(file: Path) -> None:
            sessions[index] = start.session(parts[index], optimised=file)

        return write

    # ONNX Runtime writes an optimised graph while it makes a session.
    stored.write([writer(index) for index in range(len(parts))])
    return [session or start.session(part) for session, part in zip(sessions, parts, strict=True)]


class _Start:
    """Makes sessions.

    Args:
        chosen: The device.
        threads: CPU threads; 0 uses one per core.
        cache: Folder for TensorRT's engines, or None.
    """

    def __init__(self, chosen: str, threads: int, cache: Path | None) -> None:
        self._threads = threads
        self._providers: list[tuple[str, Mapping[str, str]]] = [(PROVIDERS[chosen], {})]
        if chosen == "tensorrt" and cache is not None:
            kept = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(cache)}
            self._providers = [(PROVIDERS[chosen], kept)]
        if chosen == "tensorrt":
            self._providers.append((PROVIDERS["cuda"], {}))
        if chosen != "cpu":
            self._providers.append((_CPU, {}))

    def session(self, graph: Path | bytes, *, is_optimised: bool = False, optimised: Path | None = None) -> Any:
        """A session.

        Args:
            graph: A file, or the content of one.
            is_optimised: Whether it has been written as `optimised`.
            optimised: Where the optimised graph is written.
        """
        onnxruntime = _library()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _LOG_FATAL
        options.intra_op_num_threads = self._threads
        # Between two runs its threads would otherwise keep the cores busy that the other stages need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if is_optimised:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        if optimised is not None:
            options.optimized_model_filepath = str(optimised)
        content = graph if isinstance(graph, bytes) else str(graph)
        with _as_runtime_error():
            return onnxruntime.InferenceSession(content, options, providers=self._providers)


@contextmanager
def _as_runtime_error() -> Iterator[None]:
    """ONNX Runtime's and onnx's exceptions have no common base but Exception."""
    try:
        yield
    except (MemoryError, RuntimeError):
        raise
    except Exception as exc:
        raise RuntimeError(str(exc)) from exc


def _library() -> Any:
    # Its newer wheels (1.32) send usage data to their maker, and store an identifier of this machine.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
