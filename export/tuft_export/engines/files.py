"""What lies in a folder of engines, and whether it is still what was asked for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tuft.provenance import file_sha256
from tuft_export.errors import PublishError
from tuft_export.provenance import read_record

if TYPE_CHECKING:
    from pathlib import Path

    from tuft.provenance import Link
    from tuft_export.engines.builder import BuildOptions
    from tuft_export.engines.cuda import Gpu


@dataclass(frozen=True)
class EngineFiles:
    """Where everything about one size is; graph and plan have their records beside them, `<file>.json`.

    Attributes:
        folder: Holds all sizes.
        size: Working size in pixels.
    """

    folder: Path
    size: int

    @property
    def graph(self) -> Path:
        """The ONNX graph."""
        return self._named("onnx")

    @property
    def plan(self) -> Path:
        """The engine, under the name that `tuft-export publish` takes."""
        return self._named("plan")

    @property
    def layers(self) -> Path:
        """What the engine consists of, as TensorRT's inspector tells it."""
        return self._named("layers.json")

    @property
    def log(self) -> Path:
        """What TensorRT said while it built the engine that is there."""
        return self._named("log")

    @property
    def failed_log(self) -> Path:
        """What TensorRT says while it builds; it stays only where that fails, beside an older engine and its log."""
        return self._named("failed.log")

    @property
    def timing_cache(self) -> Path:
        """Kernel timings, shared by all sizes."""
        return self.folder / "timing.cache"

    def _named(self, suffix: str) -> Path:
        return self.folder / f"model_{self.size}.{suffix}"


def ingredients(graph_sha256: str, tensorrt: str, gpu: Gpu, options: BuildOptions) -> Link:
    """Everything that decides which engine is built, with its `key`: another TensorRT, another key."""
    parts = {
        "from": graph_sha256,
        "tensorrt": tensorrt,
        "driver": gpu.driver,
        "gpu": gpu.name,
        "compute_capability": gpu.compute_capability,
        "options": asdict(options),
    }
    return {**parts, "key": hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()}


def sound_record(file: Path) -> Link | None:
    """The record beside a file, if both are there and the file is the one that it tells of."""
    if not file.is_file():
        return None
    try:
        record = read_record(file)
    except PublishError:
        return None
    return record if record.get("sha256") == file_sha256(file) else None
