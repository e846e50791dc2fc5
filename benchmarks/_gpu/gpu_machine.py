"""The context of measurements by `gpu.py`: GPU, clocks, versions, and settings that are fixed for the run."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import torch

_SMI_FIELDS: Final = (
    "clocks.sm", "clocks.max.sm", "clocks.mem", "power.draw", "power.limit", "temperature.gpu", "utilization.gpu",
    "pstate", "clocks_event_reasons.active",
)  # fmt: skip
_SMI_TIMEOUT_S: Final = 20


def usable_device(name: str) -> torch.device:
    """Returns the device `cuda` or `cpu`.

    Raises:
        SystemExit: There is no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            f"torch {torch.__version__} sees no NVIDIA GPU here: run this where there is one, with a torch built for "
            "CUDA, or try the script out with --device cpu."
        )
    return torch.device(name, 0) if name == "cuda" else torch.device(name)


def fix_settings() -> dict[str, Any]:
    """Turns TF32 off for float32 and cuDNN's benchmark mode on, as in ONNX Runtime; returns the settings."""
    backends: Any = torch.backends  # partly untyped
    # Under the older names, which the exporter reads: torch refuses to read them once the newer ones are set.
    backends.cudnn.allow_tf32 = False
    backends.cuda.matmul.allow_tf32 = False
    backends.cudnn.benchmark = True
    return {
        "tf32": "off for float32 in torch, ONNX Runtime and TensorRT; in TensorRT on for the float32 islands of half "
        "precision, as the engines of tuft-export have it",
        "cudnn.allow_tf32": backends.cudnn.allow_tf32,
        "cuda.matmul.allow_tf32": backends.cuda.matmul.allow_tf32,
        "cudnn.benchmark": backends.cudnn.benchmark,
        "allow_fp16_reduced_precision_reduction": backends.cuda.matmul.allow_fp16_reduced_precision_reduction,
        "allow_bf16_reduced_precision_reduction": backends.cuda.matmul.allow_bf16_reduced_precision_reduction,
    }


def gpu_machine(device: torch.device) -> dict[str, Any]:
    """The machine and versions as values for JSON."""
    processor = f"{platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    return {"processor": processor, "system": platform.platform(), **_versions(), **_gpu(device)}


def clocks(device: torch.device) -> dict[str, str] | None:
    """Current clocks, power and temperature from nvidia-smi, with units; None where it is not available."""
    if device.type != "cuda" or shutil.which("nvidia-smi") is None:
        return None
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    gpu = str(device.index or 0) if uuid is None else f"GPU-{uuid}"
    command = ["nvidia-smi", "-i", gpu, f"--query-gpu={','.join(_SMI_FIELDS)}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_SMI_TIMEOUT_S, check=True).stdout
    except (subprocess.SubprocessError, OSError):
        return None
    return dict(zip(_SMI_FIELDS, (field.strip() for field in answer.strip().split(",")), strict=False))


def _gpu(device: torch.device) -> dict[str, Any]:
    if device.type != "cuda":
        return {"gpu": None}
    properties = torch.cuda.get_device_properties(device)
    return {
        "gpu": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": properties.total_memory,
        "driver": _driver(),
        "clocks_idle": clocks(device),
    }


def _driver() -> str:
    from tuft_export.engines.cuda import driver_version
    from tuft_export.errors import EngineError

    try:
        return driver_version()
    except EngineError as exc:
        return f"unknown ({exc})"


def _versions() -> dict[str, Any]:
    packages = ("onnxruntime-gpu", "onnxruntime", "tensorrt", "triton", "onnx", "onnxscript")
    installed = {name: found for name in packages if (found := _version(name))}
    cudnn: Any = torch.backends.cudnn  # untyped
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": cudnn.version() if cudnn.is_available() else None,
        **installed,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
