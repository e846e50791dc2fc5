"""The files in a folder of engines, and whether they are up to date."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tuft.files import file_hash
from tuft_export.errors import PublishError
from tuft_export.provenance import read_record

if TYPE_CHECKING:
    from pathlib import Path

    from tuft.provenance import Link
    from tuft_export.engines.builder import BuildOptions
    from tuft_export.engines.cuda import Gpu


@dataclass(frozen=True)
class EngineFiles:
    """The paths of one size; graph and plan have their records beside them, `<file>.json`.

    Attributes:
        folder: The folder of all sizes.
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
        """The engine, under the name that `tuft-export publish` expects."""
        return self._named("plan")

    @property
    def layers(self) -> Path:
        """The engine's layers, from TensorRT's inspector."""
        return self._named("layers.json")

    @property
    def log(self) -> Path:
        """TensorRT's log of the build of the existing engine."""
        return self._named("log")

    @property
    def failed_log(self) -> Path:
        """TensorRT's log during a build; kept only if that fails, beside an older engine and its log."""
        return self._named("failed.log")

    @property
    def timing_cache(self) -> Path:
        """Kernel timings, shared by all sizes."""
        return self.folder / "timing.cache"

    def _named(self, suffix: str) -> Path:
        return self.folder / f"model_{self.size}.{suffix}"


def build_fingerprint(graph_sha256: str, tensorrt: str, gpu: Gpu, options: BuildOptions) -> Link:
    """Everything that determines an engine, and a hash of it as `key`; another TensorRT has another key."""
    parts = {
        "from": graph_sha256,
        "tensorrt": tensorrt,
        "driver": gpu.driver,
        "gpu": gpu.name,
        "compute_capability": gpu.compute_capability,
        "options": asdict(options),
    }
    return {**parts, "key": hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()}


def verified_record(file: Path) -> Link | None:
    """The record beside a file, if both exist and the file's hash matches."""
    if not file.is_file():
        return None
    try:
        record = read_record(file)
    except PublishError:
        return None
    return record if record.get("sha256") == file_hash(file) else None
