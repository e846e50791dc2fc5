"""From an ONNX file to a graph that is ready to run."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft_runtime import onnxruntime_engine, openvino_engine
from tuft_runtime.errors import LoadError, raised_as
from tuft_runtime.graph import FullGraph
from tuft_runtime.tiled import TiledGraph

if TYPE_CHECKING:
    from tuft_runtime.graph import Graph
    from tuft_runtime.program import Program

FULL_RESOLUTION: Final = ("exact", "uncertain")
ENGINES: Final = ("openvino", "onnxruntime")

_NAMES: Final = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
_EXTRAS: Final = {"openvino": "server", "onnxruntime": "local"}


def load(
    path: str | os.PathLike[str],
    *,
    precision: str = "f32",
    full_resolution: str = "exact",
    threads: int = 0,
    cache: Path | None = None,
    engine: str = "openvino",
    device: str | None = None,
) -> Graph:
    """Loads a graph and compiles it for one image.

    Args:
        path: `model.onnx`, as `tuft-export` writes it.
        precision: What OpenVINO computes in: `f32`, or `bf16`, faster on CPUs that have it. ONNX Runtime computes in
            the precision that the graph states.
        full_resolution: Where the stage at full resolution, a third of the work, is computed. `exact` skips it only
            where it cannot change the result; `uncertain` also where it would hardly change it.
        threads: CPU threads; 0 uses one per core.
        cache: Folder of compiled graphs, or None for no cache.
        engine: `openvino` or `onnxruntime`.
        device: For ONNX Runtime, one of `tuft_runtime.onnxruntime_engine.PROVIDERS`; None chooses.

    Raises:
        LoadError: The engine or the graph is missing, or the engine cannot compile it.
        ValueError: There is no such `full_resolution` or `engine`.
    """
    path = Path(path)
    if full_resolution not in FULL_RESOLUTION:
        raise ValueError(f"full_resolution must be {' or '.join(FULL_RESOLUTION)}, not {full_resolution}.")
    name = require_engine(engine)
    if not path.is_file():
        raise LoadError(f"{path} is missing: publish the model again with `tuft-export publish --runtime python`.")
    everywhere = full_resolution == "exact"
    programs: list[Program]
    with raised_as(LoadError, f"{name} cannot load {path}"):
        if engine == "openvino":
            programs = openvino_engine.programs(
                path, precision=precision, threads=threads, everywhere=everywhere, cache=cache
            )
        else:
            programs = onnxruntime_engine.programs(
                path, threads=threads, everywhere=everywhere, cache=cache, wanted=device
            )
    return TiledGraph(*programs) if len(programs) > 1 else FullGraph(*programs)


def require_engine(engine: str) -> str:
    """The name of an engine that is installed, for messages.

    Raises:
        LoadError: It is not installed.
        ValueError: There is no such engine.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be {' or '.join(ENGINES)}, not {engine}.")
    if not is_installed(engine):
        raise LoadError(
            f"{_NAMES[engine]} is missing in this Python environment: pip install 'tuft-matting[{_EXTRAS[engine]}]'."
        )
    return _NAMES[engine]


def best_engine(precision: str = "f32") -> str | None:
    """The engine to compute with here; None if none is installed.

    ONNX Runtime starts sooner and is as fast in float32; only OpenVINO computes a float32 graph in bfloat16.
    """
    order = ("onnxruntime", "openvino") if precision == "f32" else ("openvino", "onnxruntime")
    return next((engine for engine in order if is_installed(engine)), None)


def is_installed(engine: str) -> bool:
    """Whether this Python environment has the engine; it is not imported."""
    needed = {"openvino": ("openvino",), "onnxruntime": ("onnxruntime", "onnx")}[engine]
    return all(_is_there(name) for name in needed)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # None in sys.modules
        return False
