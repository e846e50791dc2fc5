"""Stubs of missing libraries, compiled from C."""

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

# The libraries that the bindings of TensorRT 11 are linked against.
_TENSORRT_LIBRARIES = ("libnvinfer.so.11", "libnvinfer_plugin.so.11", "libnvonnxparser.so.11")


def compiled(source: str, target: Path, flags: Iterable[str] = ()) -> Path:
    """Compiles a C file beside this one to a shared library, with warnings as errors; skips the test without gcc."""
    if _GCC is None:
        pytest.skip("needs gcc")
    command = [_GCC, "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", *flags, str(_HERE / source), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def cuda_headers() -> list[str]:
    """Flags for gcc with the include path of NVIDIA's headers, if torch has brought them."""
    spec = importlib.util.find_spec("nvidia")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    return [f"-I{path}" for folder in folders for path in Path(folder).glob("*/include") if (path / "cuda.h").is_file()]


def real_tensorrt(folder: Path) -> Any:
    """TensorRT's real Python bindings over empty libraries; skips the test if their wheel is not installed."""
    if importlib.util.find_spec("tensorrt_bindings") is None:
        pytest.skip("needs the wheel tensorrt-cu13-bindings")
    for name in _TENSORRT_LIBRARIES:
        library = compiled("tensorrt_stub.c", folder / name, [f"-Wl,-soname,{name}"])
        # Loaded under the soname that the bindings need.
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    return importlib.import_module("tensorrt_bindings")
