"""What models are computed with here."""

from __future__ import annotations

import importlib.util
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import tuft_runtime
from tuft.errors import OptionError, ServerOutOfMemoryError, SetupError
from tuft.serve import compile_cache
from tuft_runtime import onnxruntime_engine, openvino_engine
from tuft_runtime.loading import is_installed as is_installed_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ENGINE_VARIABLE: Final = "TUFT_ENGINE"
_CHOICES: Final = (*tuft_runtime.ENGINES, *onnxruntime_engine.PROVIDERS)


def is_installed() -> bool:
    """Whether this Python environment has all that the demo needs to be computed in it."""
    return tuft_runtime.best_engine() is not None and importlib.util.find_spec("safetensors") is not None


def engine_and_device(precision: str = "f32") -> tuple[str, str | None]:
    """The arguments `engine` and `device` of `tuft_runtime.load`: what TUFT_ENGINE names, else the best there is.

    Args:
        precision: As the model's configuration states it.

    Raises:
        OptionError: TUFT_ENGINE names none.
        SetupError: It names one that is not installed.
    """
    wanted = os.environ.get(ENGINE_VARIABLE, "").lower()
    if wanted in onnxruntime_engine.PROVIDERS:
        return "onnxruntime", wanted
    if wanted and wanted not in tuft_runtime.ENGINES:
        raise OptionError(f"{ENGINE_VARIABLE} is {wanted!r}: set it to one of {', '.join(_CHOICES)}, or unset it.")
    if wanted and not is_installed_engine(wanted):
        raise SetupError(f"{ENGINE_VARIABLE} is {wanted}, which is not installed: install it, or unset the variable.")
    return wanted or tuft_runtime.best_engine(precision) or "onnxruntime", None


def description() -> tuple[str, str]:
    """The engine's name, with its device, and its version."""
    engine, device = engine_and_device()
    if engine == "openvino":
        return "OpenVINO", openvino_engine.version()
    try:
        return f"ONNX Runtime ({onnxruntime_engine.device(device)})", onnxruntime_engine.version()
    except RuntimeError as exc:
        raise OptionError(f"{ENGINE_VARIABLE} is {device}, but {exc}: set another, or unset it.") from exc


def load(graph: Path, parameters: Mapping[str, str], name: str) -> tuft_runtime.Graph:
    """Loads a published graph as `model.py` does behind Triton.

    Args:
        graph: `model.onnx`.
        parameters: Of the model's configuration for the runtime python.
        name: The model's, for errors.

    Raises:
        ServerOutOfMemoryError: There is not enough memory for it.
        SetupError: The engine cannot load it, or a parameter is wrong.
    """
    precision = parameters.get("precision", "f32")
    engine, device = engine_and_device(precision)
    folder = compile_cache.compiled_folder()
    compile_cache.prepare(folder)
    with _errors_of(name):
        return tuft_runtime.load(
            graph,
            precision=precision,
            full_resolution=parameters.get("full_resolution", "exact"),
            threads=int(parameters.get("threads", "0")),
            cache=folder,
            engine=engine,
            device=device,
        )


def load_tensors(graph: Path, parameters: Mapping[str, str], name: str) -> tuft_runtime.TensorGraph:
    """Loads a published graph with other tensors than one picture and its saliency, as `load` does.

    Raises:
        ServerOutOfMemoryError, SetupError: As `load`.
    """
    precision = parameters.get("precision", "f32")
    engine, device = engine_and_device(precision)
    threads = int(parameters.get("threads", "0"))
    with _errors_of(name):
        return tuft_runtime.load_tensors(graph, precision=precision, threads=threads, engine=engine, device=device)


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    try:
        yield
    except tuft_runtime.LoadError as exc:
        if exc.out_of_memory:
            raise out_of_memory(name) from exc
        raise SetupError(f"{str(exc).rstrip('.')}.") from exc
    except ValueError as exc:
        raise SetupError(f"The configuration of {name} cannot be used ({exc}): publish the model again.") from exc


def out_of_memory(name: str) -> ServerOutOfMemoryError:
    """The error for a model that this machine is too small for."""
    return ServerOutOfMemoryError(f"This machine has not enough memory for {name}: take a smaller preset or size.")
