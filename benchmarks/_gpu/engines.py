"""ONNX Runtime and TensorRT as passes on torch tensors, which stay on the device."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from tuft import contract
from tuft.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from _gpu.measured_network import MeasuredNetwork
    from _gpu.passes import Pass

_CUDA_PROVIDER: Final = "CUDAExecutionProvider"
# TF32 is on by default. The arena grows by the requested sizes only, so that memory figures are meaningful.
_CUDA_OPTIONS: Final = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}


def onnxruntime_pass(network: MeasuredNetwork, size_px: int, precision: str, device: torch.device) -> Pass:
    """Loads the exported graph in ONNX Runtime.

    On the CPU, which has no half-precision kernels, half precision is simulated by rounding in the float32 graph.

    Raises:
        RuntimeError: ONNX Runtime would compute on the CPU although `device` is a GPU.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # errors only, which are raised as well
    session = onnxruntime.InferenceSession(
        _onnxruntime_model(network, size_px, precision, device), settings, providers=_providers(device)
    )
    if device.type == "cuda" and session.get_providers()[0] != _CUDA_PROVIDER:
        raise RuntimeError(
            "ONNX Runtime cannot load its CUDA provider and would compute on the processor: install an onnxruntime-gpu "
            "for the CUDA and cuDNN that are here."
        )
    session.disable_fallback()

    def run(images: Tensor) -> Tensor:
        saliency = torch.empty(images.shape[:3], device=device)
        binding = session.io_binding()
        for bind, name, tensor, dtype in (
            (binding.bind_input, contract.INPUT_NAME, images, np.uint8),
            (binding.bind_output, contract.OUTPUT_NAME, saliency, np.float32),
        ):
            bind(name, device.type, device.index or 0, dtype, tuple(tensor.shape), tensor.data_ptr())
        session.run_with_iobinding(binding)
        return saliency

    return run


def why_not_onnxruntime(device: torch.device) -> str | None:
    """The reason why ONNX Runtime cannot run, with the remedy; None if it can."""
    try:
        import onnxruntime
    except ImportError as exc:
        name = "onnxruntime-gpu" if device.type == "cuda" else "onnxruntime"
        return f"ONNX Runtime is not here ({exc}): pip install {name}."
    if device.type == "cuda" and _CUDA_PROVIDER not in onnxruntime.get_available_providers():
        return (
            "The ONNX Runtime that is here knows no CUDA: pip uninstall onnxruntime, then pip install onnxruntime-gpu."
        )
    return None


def why_not_tensorrt(device: torch.device) -> str | None:
    """The reason why TensorRT cannot run, with the remedy; None if it can."""
    if device.type != "cuda":
        return "TensorRT computes on NVIDIA GPUs only: run this where there is one."
    from tuft_export.engines.bindings import load_tensorrt
    from tuft_export.errors import EngineError

    try:
        load_tensorrt()
    except EngineError as exc:
        return f"TensorRT cannot take part, pip install tensorrt: {exc}"
    return None


def why_no_graphs() -> str | None:
    """The reason why graphs cannot be exported, with the remedy; None if they can."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401

        import tuft_export.graphs.onnx_from_torch
        import tuft_export.graphs.precision  # noqa: F401
    except ImportError as exc:
        return f"No graph can be exported for ONNX Runtime and TensorRT ({exc}): pip install 'tuft-matting[export]'."
    return None


class TensorrtPass:
    """An engine of the exported graph, built at the first use for batches of 1 to `largest_batch`.

    Args:
        network: The network.
        size_px: Side of its pictures.
        precision: Precision of the graph.
        device: The current GPU.
        largest_batch: In pictures.

    Raises:
        EngineError: TensorRT cannot parse, build, load or run it.
    """

    def __init__(
        self, network: MeasuredNetwork, size_px: int, precision: str, device: torch.device, largest_batch: int
    ) -> None:
        from tuft_export.engines.bindings import load_tensorrt
        from tuft_export.engines.callbacks import file_logger

        trt = load_tensorrt()
        self._device = device
        self._logger = file_logger(trt, io.StringIO())
        plan = _plan(trt, self._logger, network, size_px, precision, largest_batch)
        # Each must be kept alive for as long as the next one is used.
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        self._context = self._engine and self._engine.create_execution_context()
        if not self._context:
            raise _failed(self._logger, "load its engine")
        self._stream = own_stream(device)

    def __call__(self, images: Tensor) -> Tensor:
        """Maps uint8 [n, S, S, 3] to float32 [n, S, S]."""
        saliency = torch.empty(images.shape[:3], device=self._device)
        self._context.set_input_shape(contract.INPUT_NAME, tuple(images.shape))
        self._context.set_tensor_address(contract.INPUT_NAME, images.data_ptr())
        self._context.set_tensor_address(contract.OUTPUT_NAME, saliency.data_ptr())
        if not self._context.execute_async_v3(self._stream.cuda_stream):
            raise _failed(self._logger, f"run a batch of {len(images)}")
        self._stream.synchronize()
        return saliency


def own_stream(device: torch.device) -> Any:
    """A new stream, because TensorRT is slow on the default one."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _onnxruntime_model(network: MeasuredNetwork, size_px: int, precision: str, device: torch.device) -> Path:
    path = network.graph(size_px, precision)
    if device.type == "cuda" or precision == "fp32":
        return path
    import onnx

    from tuft_export.graphs.precision import rounded

    rounded_path = path.with_suffix(".rounded.onnx")
    if not rounded_path.exists():
        write_atomically(rounded_path, rounded(onnx.load(path)).SerializeToString())
    return rounded_path


def _providers(device: torch.device) -> list[Any]:
    if device.type != "cuda":
        return ["CPUExecutionProvider"]
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):  # finds CUDA and cuDNN that pip has installed
        with redirect_stdout(io.StringIO()):
            onnxruntime.preload_dlls()
    # Shapes and constants may be computed on the CPU.
    return [(_CUDA_PROVIDER, {**_CUDA_OPTIONS, "device_id": str(device.index or 0)}), "CPUExecutionProvider"]


def _plan(trt: Any, logger: Any, network: MeasuredNetwork, size_px: int, precision: str, largest_batch: int) -> bytes:
    from tuft_export.engines.builder import BuildOptions, plan_from_onnx
    from tuft_export.engines.callbacks import progress_monitor

    path: Path = network.file(size_px, precision, "plan")
    if not path.exists():
        plan = plan_from_onnx(
            trt,
            network.graph(size_px, precision).read_bytes(),
            contract.ModelSpec(network.name, size_px, largest_batch),
            BuildOptions(max_batch_size=largest_batch, tf32=precision != "fp32"),
            logger=logger,
            monitor=progress_monitor(trt, lambda: False, progress=False),
            timing_cache=network.folder / "timing.cache",
        )
        if plan is None:
            raise _failed(logger, "build its engine")
        write_atomically(path, plan)
    return path.read_bytes()


def _failed(logger: Any, what: str) -> Exception:
    from tuft_export.errors import EngineError

    reason = logger.errors[-1] if logger.errors else "it gives no reason"
    return EngineError(f"TensorRT cannot {what} ({reason}): stop what else uses the GPU, then try again.")
