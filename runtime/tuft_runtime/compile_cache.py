"""Compiled graphs in a folder, so that the next start need not compile them again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Larger graphs are not cached: for the 370 MB of the base network at 384 that saved 2 of 6 seconds, for 355 MB of disk.
LARGEST_GRAPH_BYTES: Final = 64_000_000

_FULL: Final = ("full",)
_SPLIT: Final = ("trunk", "stage")

Compiled = TypeVar("Compiled")


class CompileCache:
    """The compiled models of one graph, under a key of everything that decides how it is compiled.

    That is the graph, this package's code, the engine and its version, the settings and the processor.

    Args:
        folder: Created when something is stored; None stores nothing.
        graph: The ONNX file.
        settings: All that decides what is compiled beside the graph.
    """

    def __init__(self, folder: Path | None, graph: Path, settings: str) -> None:
        self._folder = folder if graph.stat().st_size <= LARGEST_GRAPH_BYTES else None
        self._key = "" if self._folder is None else _key(graph, settings)

    def read(self, load: Callable[[Path], Compiled]) -> list[Compiled] | None:
        """The compiled models, one or two; None where there are none, or where the engine does not take them.

        Args:
            load: Reads one file; raises RuntimeError if it is damaged, or of another build.
        """
        for files in (self._files(_FULL), self._files(_SPLIT)):
            if files and all(file.is_file() for file in files):
                with contextlib.suppress(RuntimeError, OSError):
                    return [load(file) for file in files]
        return None

    def write(self, writers: Sequence[Callable[[Path], object]]) -> None:
        """Stores the compiled models, or does nothing where it cannot.

        Args:
            writers: Write the file of a full graph, or those of the trunk and the stage of a split one.
        """
        for file, write in zip(self._files(_FULL if len(writers) == 1 else _SPLIT), writers, strict=False):
            _write(file, write)

    def _files(self, parts: Sequence[str]) -> list[Path]:
        return [] if self._folder is None else [self._folder / f"{self._key}.{part}.blob" for part in parts]


def _key(graph: Path, settings: str) -> str:
    digest = hashlib.sha256(graph.read_bytes())
    digest.update(f"{settings} {_processor()}".encode())
    # Not `model.py` and `model_tensors.py`: they compute nothing, and one lies elsewhere in a version folder.
    for source in sorted(path for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("model")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _write(file: Path, write: Callable[[Path], object]) -> None:
    partial = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write(partial)
        partial.replace(file)
    except (OSError, RuntimeError):  # the next start takes longer
        with contextlib.suppress(OSError):
            partial.unlink()


def _processor() -> str:
    """The processor, with the instruction sets that a compiled model may use where the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line for line in lines if line.startswith("flags")), f"{platform.machine()} {platform.processor()}")
