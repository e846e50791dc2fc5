"""Compiled graphs in a folder, so that the next start need not compile them again."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Larger graphs are not cached: for the 370 MB of the base network at 384 that saved 2 of 6 seconds, for 355 MB of disk.
LARGEST_GRAPH_BYTES: Final = 64_000_000

_FULL: Final = ("full",)
_SPLIT: Final = ("trunk", "stage")


class CompileCache:
    """The compiled models of one graph, under a key of everything that decides how it is compiled.

    That is the graph, this package's code, OpenVINO's version, the settings and the processor.

    Args:
        folder: Created when something is stored; None stores nothing.
        graph: The ONNX file.
        settings: All that decides what is compiled beside the graph.
    """

    def __init__(self, folder: Path | None, graph: Path, settings: str) -> None:
        self._folder = folder if graph.stat().st_size <= LARGEST_GRAPH_BYTES else None
        self._key = "" if self._folder is None else _key(graph, settings)

    def read(self, core: Any, properties: Mapping[str, str]) -> list[Any] | None:
        """The compiled models; None where there are none, or where this OpenVINO does not take them.

        Args:
            core: An `openvino.Core`.
            properties: Not stored with a compiled model: without them it computes in bfloat16 on CPUs that have it.
        """
        for blobs in (self._blobs(_FULL), self._blobs(_SPLIT)):
            if blobs and all(blob.is_file() for blob in blobs):
                try:
                    return [core.import_model(blob.read_bytes(), "CPU", dict(properties)) for blob in blobs]
                except RuntimeError:  # damaged, or of another build
                    return None
        return None

    def write(self, compiled: Sequence[Any]) -> None:
        """Stores the compiled models, one of a full graph or two of a split one, or does nothing where it cannot."""
        for blob, model in zip(self._blobs(_FULL if len(compiled) == 1 else _SPLIT), compiled, strict=False):
            _write(blob, model)

    def _blobs(self, parts: Sequence[str]) -> list[Path]:
        return [] if self._folder is None else [self._folder / f"{self._key}.{part}.blob" for part in parts]


def _key(graph: Path, settings: str) -> str:
    import openvino

    digest = hashlib.sha256(graph.read_bytes())
    digest.update(f"{openvino.__version__} {settings} {_processor_flags()}".encode())
    # Not `model.py`: it computes nothing, and lies elsewhere in a version folder.
    for source in sorted(path for path in Path(__file__).parent.glob("*.py") if path.name != "model.py"):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _write(blob: Path, model: Any) -> None:
    partial = blob.with_suffix(f".{os.getpid()}.partial")
    try:
        blob.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(model.export_model().getvalue())
        partial.replace(blob)
    except (OSError, RuntimeError):  # the next start takes longer
        with contextlib.suppress(OSError):
            partial.unlink()


def _processor_flags() -> str:
    """The instruction sets that a compiled model may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("flags")), "")
