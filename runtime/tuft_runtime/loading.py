"""From an ONNX file to a graph that is ready to run."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft_runtime.compile_cache import CompileCache
from tuft_runtime.errors import LoadError, raised_as
from tuft_runtime.graph import FullGraph
from tuft_runtime.graph_split import split_graph
from tuft_runtime.tiled import TiledGraph

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft_runtime.graph import Graph

FULL_RESOLUTION: Final = ("exact", "uncertain")


def load(
    path: str | os.PathLike[str],
    *,
    precision: str = "f32",
    full_resolution: str = "exact",
    threads: int = 0,
    cache: Path | None = None,
) -> Graph:
    """Loads a graph and compiles it for one image.

    Args:
        path: `model.onnx`, as `tuft-export` writes it.
        precision: What OpenVINO computes in: `f32`, or `bf16`, faster on CPUs that have it.
        full_resolution: Where the stage at full resolution, a third of the work, is computed. `exact` skips it only
            where it cannot change the result; `uncertain` also where it would hardly change it.
        threads: CPU threads; 0 uses one per core.
        cache: Folder of compiled graphs, or None for no cache.

    Raises:
        LoadError: OpenVINO or the graph is missing, or OpenVINO cannot compile it.
        ValueError: There is no such `full_resolution`.
    """
    path = Path(path)
    try:
        importlib.import_module("openvino")
    except ImportError as exc:
        raise LoadError("OpenVINO is missing in this Python environment: pip install 'tuft-matting[server]'.") from exc
    if not path.is_file():
        raise LoadError(f"{path} is missing: publish the model again with `tuft-export publish --runtime python`.")
    if full_resolution not in FULL_RESOLUTION:
        raise ValueError(f"full_resolution must be {' or '.join(FULL_RESOLUTION)}, not {full_resolution}.")
    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": str(threads),
    }
    with raised_as(LoadError, f"OpenVINO cannot load {path}"):
        compiled = _compiled(path, properties, cache, everywhere=full_resolution == "exact")
    return TiledGraph(*compiled) if len(compiled) > 1 else FullGraph(*compiled)


def _compiled(path: Path, properties: Mapping[str, str], folder: Path | None, *, everywhere: bool) -> list[Any]:
    """The compiled models, one or two, from the cache or new."""
    import openvino

    core = openvino.Core()
    cache = CompileCache(folder, path, f"{sorted(properties.items())} {everywhere}")
    compiled = cache.read(core, properties)
    if compiled is None:
        models = split_graph(core.read_model(path), everywhere=everywhere)
        compiled = [core.compile_model(model, "CPU", dict(properties)) for model in models]
        cache.write(compiled)
    return compiled
