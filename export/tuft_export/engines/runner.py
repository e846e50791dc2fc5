"""Runs a plan: deserialises it, checks it against the wire contract, and computes batches."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from tuft import contract
from tuft_export.engines.cuda import DeviceArray, Stream
from tuft_export.errors import EngineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.contract import ModelSpec
    from tuft_export.engines.cuda import Cuda


class EngineRunner:
    """An engine with its memory on the current GPU; a context manager.

    Args:
        trt: The bindings.
        cuda: The driver.
        plan: The serialised engine.
        spec: The served model.
        logger: A `tensorrt.ILogger` with a list `errors`.

    Attributes:
        device_memory_bytes: Memory of its activations at the largest batch.

    Raises:
        EngineError: TensorRT cannot load the plan, or its tensors differ from the contract.
    """

    def __init__(self, trt: Any, cuda: Cuda, plan: bytes, spec: ModelSpec, logger: Any) -> None:
        self._trt, self._cuda, self._spec, self._logger = trt, cuda, spec, logger
        runtime = trt.Runtime(logger)
        engine = runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise self._failed("load the engine it has built")
        _check_tensors(trt, engine, spec)
        self._engine = engine
        self.device_memory_bytes = int(engine.device_memory_size_v2)

    def layers(self) -> str:
        """The engine's layers, as TensorRT's JSON."""
        inspector = self._engine.create_engine_inspector()
        text: str = inspector.get_engine_information(self._trt.LayerInformationFormat.JSON)
        return text

    def __enter__(self) -> EngineRunner:
        context = self._engine.create_execution_context()
        if context is None:
            raise self._failed("make room on the GPU for its engine")
        with contextlib.ExitStack() as opened:
            pixels = self._spec.max_batch_size * self._spec.size**2
            self._image = opened.enter_context(DeviceArray(self._cuda, pixels * contract.CHANNELS))
            self._saliency = opened.enter_context(DeviceArray(self._cuda, pixels * np.float32().nbytes))
            self._stream = opened.enter_context(Stream(self._cuda))
            self._open = opened.pop_all()
        context.set_tensor_address(contract.INPUT_NAME, self._image.address)
        context.set_tensor_address(contract.OUTPUT_NAME, self._saliency.address)
        self._context = context
        return self

    def __exit__(self, *_: object) -> None:
        del self._context  # before the memory it points to
        self._open.close()

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Maps uint8 [n, S, S, 3], n up to the largest batch, to the saliency float32 [n, S, S] in 0..1.

        Raises:
            EngineError: TensorRT fails.
        """
        context = self._context
        saliency = np.empty((len(images), *self._spec.output_shape), np.float32)
        self._image.upload(np.ascontiguousarray(images))
        if not context.set_input_shape(contract.INPUT_NAME, images.shape):
            raise self._failed(f"take a batch of {len(images)}")
        if not context.execute_async_v3(self._stream.handle):
            raise self._failed(f"run a batch of {len(images)}")
        self._stream.synchronise()
        self._saliency.download(saliency)
        return saliency

    def _failed(self, what: str) -> EngineError:
        reason = self._logger.errors[-1] if self._logger.errors else "it gives no reason"
        return EngineError(f"TensorRT cannot {what} ({reason}): stop what else uses the GPU, then build again.")


def _check_tensors(trt: Any, engine: Any, spec: ModelSpec) -> None:
    """Checks names, directions, types and shapes; -1 is the batch."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    actual = {
        name: (engine.get_tensor_mode(name), engine.get_tensor_dtype(name), tuple(engine.get_tensor_shape(name)))
        for name in names
    }
    expected = {
        contract.INPUT_NAME: (trt.TensorIOMode.INPUT, trt.DataType.UINT8, (-1, *spec.input_shape)),
        contract.OUTPUT_NAME: (trt.TensorIOMode.OUTPUT, trt.DataType.FLOAT, (-1, *spec.output_shape)),
    }
    if actual != expected:
        raise EngineError(f"The engine's tensors are {actual} instead of {expected}: export the graph again.")
