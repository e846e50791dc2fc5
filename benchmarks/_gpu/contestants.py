"""The ways to run a network that `gpu.py` compares; each is loaded as a `Pass`."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from _gpu.names import PRECISIONS, RUNTIMES
from tuft_export.graphs.exportable import ServedNetwork

if TYPE_CHECKING:
    from collections.abc import Collection

    from _gpu.measured_network import MeasuredNetwork
    from _gpu.passes import Pass

_DTYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

AUTOCAST: Final = "autocast"
WEIGHTS: Final = "half weights"
ISLANDS: Final = "islands"

# The modules that `tuft_export.graphs.precision.ISLANDS` keeps in float32 and autocast does not. Layer norms, softmaxes
# and the residual stream are float32 under autocast anyway.
_FLOAT32_MODULES: Final = re.compile(
    r"attention\d\.(context|conv_key|conv_value)|.*\b[HW]attn|image_pyramid|transition\d"
)


@dataclass(frozen=True)
class Contestant:
    """One way to run a network.

    Attributes:
        runtime: One of `RUNTIMES`.
        precision: One of `PRECISIONS`.
        way: How torch uses half precision: `autocast`, `islands` for autocast with the float32 islands of the exported
            graphs, or `half weights` for everything in half precision; empty for graphs, which contain their precision.
    """

    runtime: str
    precision: str
    way: str = ""

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}" + (f", {self.way}" if self.way else "")


REFERENCE: Final = Contestant("eager", "fp32")
_HALVES: Final = PRECISIONS[1:]
CONTESTANTS: Final = (
    REFERENCE,
    *(Contestant("eager", precision, way) for precision in _HALVES for way in (AUTOCAST, ISLANDS, WEIGHTS)),
    Contestant("compile", "fp32"),
    *(Contestant("compile", precision, ISLANDS) for precision in _HALVES),
    *(Contestant(runtime, precision) for runtime in RUNTIMES[2:] for precision in PRECISIONS),
)


def taking_part(
    runtimes: Collection[str], precisions: Collection[str], device: torch.device
) -> tuple[tuple[Contestant, ...], list[str]]:
    """Selects the contestants that can run here, always with the reference, and says why the other runtimes cannot."""
    reasons = {runtime: _why_not(runtime, device) for runtime in RUNTIMES if runtime in runtimes}
    able = [runtime for runtime, reason in reasons.items() if reason is None]
    chosen = [c for c in CONTESTANTS if c == REFERENCE or (c.runtime in able and c.precision in precisions)]
    return tuple(chosen), list(dict.fromkeys(reason for reason in reasons.values() if reason))


def _why_not(runtime: str, device: torch.device) -> str | None:
    from _gpu.engines import why_no_graphs, why_not_onnxruntime, why_not_tensorrt

    if runtime == "compile":
        return _why_not_compile(device)
    if runtime == "onnxruntime":
        return why_no_graphs() or why_not_onnxruntime(device)
    if runtime == "tensorrt":
        return why_not_tensorrt(device) or why_no_graphs()
    return None


def _why_not_compile(device: torch.device) -> str | None:
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "torch.compile needs Triton, the compiler: pip install triton."
    if shutil.which("g++") is None and shutil.which("c++") is None and shutil.which("gcc") is None:
        return "torch.compile needs a C compiler: install gcc and g++ with the system's package manager."
    return None


def pass_from_contestant(
    contestant: Contestant, network: MeasuredNetwork, size_px: int, device: torch.device, largest_batch: int
) -> Pass:
    """Loads a network for a contestant; its memory on the device is freed with the returned function.

    Args:
        contestant: The way to run it.
        network: The network.
        size_px: Side of its pictures.
        device: Device to run on.
        largest_batch: Upper bound of the batches, for which TensorRT builds its engine.

    Raises:
        Exception: Any error of the runtime.
    """
    if contestant.runtime == "onnxruntime":
        from _gpu.engines import onnxruntime_pass

        return onnxruntime_pass(network, size_px, contestant.precision, device)
    if contestant.runtime == "tensorrt":
        from _gpu.engines import TensorrtPass

        return TensorrtPass(network, size_px, contestant.precision, device, largest_batch)
    return _torch_pass(contestant, network, size_px, device)


def _torch_pass(contestant: Contestant, network: MeasuredNetwork, size_px: int, device: torch.device) -> Pass:
    module = copy.deepcopy(network.module)
    dtype = _DTYPES[contestant.precision]
    if contestant.way == ISLANDS:
        keep_islands(module, device.type)
    elif contestant.way == WEIGHTS:
        module.to(dtype)
        # Normalisation stays in float32.
        module.backbone.register_forward_pre_hook(lambda _, inputs: tuple(x.to(dtype) for x in inputs))
    served: Pass = ServedNetwork(module, blend=network.blends(size_px)).eval().to(device)
    if contestant.runtime == "compile":
        served = torch.compile(served, dynamic=False)
    mixed = contestant.way in (AUTOCAST, ISLANDS)

    @torch.no_grad()
    def run(images: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype) if mixed else contextlib.nullcontext():
            return served(images)

    return run


def keep_islands(network: nn.Module, device_type: str) -> list[str]:
    """Keeps the float32 islands of `network` in float32 under autocast; returns the names of their modules."""
    names = [name for name, _ in network.named_modules() if _FLOAT32_MODULES.fullmatch(name)]
    for name in names:
        _keep_float32(network.get_submodule(name), device_type)
    return names


def _keep_float32(module: nn.Module, device_type: str) -> None:
    forward = module.forward

    def in_float32(*inputs: Tensor | tuple[int, int]) -> Tensor:
        with torch.autocast(device_type, enabled=False):
            result: Tensor = forward(*(x.float() if isinstance(x, Tensor) else x for x in inputs))
            return result

    module.forward = in_float32
