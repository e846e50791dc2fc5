"""Libraries that are not here, stood in for by C compiled on the spot."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

_HERE = Path(__file__).parent
_GCC = shutil.which("gcc")

# What the bindings of TensorRT 11 were linked against.
_TENSORRT_LIBRARIES = ("libnvinfer.so.11", "libnvinfer_plugin.so.11", "libnvonnxparser.so.11")


def compiled(source: str, target: Path, flags: Iterable[str] = ()) -> Path:
    """A shared library from a C file beside this one, every warning an error; without gcc, the test is skipped."""
    if _GCC is None:
        pytest.skip("needs gcc")
    command = [_GCC, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", *flags, str(_HERE / source), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def cuda_headers() -> list[str]:
    """Flags for gcc that lead to NVIDIA's own headers, where they came with torch."""
    spec = importlib.util.find_spec("nvidia")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    return [f"-I{path}" for folder in folders for path in Path(folder).glob("*/include") if (path / "cuda.h").is_file()]


def real_tensorrt(folder: Path) -> Any:
    """TensorRT's real Python bindings over libraries in which nothing is; skips where their wheel is not installed."""
    if importlib.util.find_spec("tensorrt_bindings") is None:
        pytest.skip("needs the wheel tensorrt-cu13-bindings")
    for name in _TENSORRT_LIBRARIES:
        library = compiled("tensorrt_stub.c", folder / name, [f"-Wl,-soname,{name}"])
        # Loaded under the name that the bindings ask for.
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    return importlib.import_module("tensorrt_bindings")
