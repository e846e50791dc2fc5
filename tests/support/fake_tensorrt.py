"""A TensorRT that builds and runs engines without a GPU: its plan is the graph, and ONNX Runtime computes.

It has only the names that tuft uses; `tests/export/engines/test_api.py` compares them with the real bindings.
`support.faults.Faults` injects faults.
"""

from __future__ import annotations

import ctypes
import enum
import json
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from support.faults import Faults

_SEPARATOR = b"\0graph\0"


class Severity(enum.IntEnum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class DataType(enum.IntEnum):
    FLOAT, HALF, UINT8 = 0, 1, 6


class TensorIOMode(enum.IntEnum):
    NONE, INPUT, OUTPUT = range(3)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class BuilderFlag(enum.IntEnum):
    TF32 = 7


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class ProfilingVerbosity(enum.IntEnum):
    LAYER_NAMES_ONLY, DETAILED, NONE = range(3)


class LayerInformationFormat(enum.IntEnum):
    ONELINE, JSON = range(2)


class ILogger:
    Severity = Severity

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


class ITimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        return self.content


class IOptimizationProfile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[Any, Any, Any]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        self.shapes[input] = (min, opt, max)


class INetworkDefinition:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.graph = b""


class EngineInspector:
    def get_engine_information(self, format: LayerInformationFormat) -> str:
        assert format == LayerInformationFormat.JSON
        return json.dumps({"Layers": [{"Name": "everything"}]})


class IBuilderConfig:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self.progress_monitor: Any = None
        self.builder_optimization_level = 3
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.cleared: set[BuilderFlag] = set()
        self.pools: dict[MemoryPoolType, int] = {}
        self.profiles: list[IOptimizationProfile] = []
        self.cache: ITimingCache | None = None
        self.given: ITimingCache | None = None

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.cleared.add(flag)

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self.pools[pool] = pool_size

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self.profiles.append(profile)
        return self._faults.profile_index

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
        return ITimingCache(serialized_timing_cache) if serialized_timing_cache != b"damaged" else None

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        fits = cache.content == b"" or cache.content.startswith(self._faults.cache_of)
        self.given = self.cache = cache if fits else self.cache
        return fits

    def get_timing_cache(self) -> ITimingCache | None:
        return self.cache


class ICudaEngine:
    device_memory_size_v2 = 1234
    num_io_tensors = 2

    def __init__(self, faults: Faults, graph: bytes) -> None:
        self._faults = faults
        self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self._tensors = [*self._session.get_inputs(), *self._session.get_outputs()]

    def get_tensor_name(self, index: int) -> str:
        return str(self._tensors[index].name)

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name == self._tensors[0].name else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType.UINT8 if name == self._tensors[0].name else DataType[self._faults.output_dtype]

    def get_tensor_shape(self, name: str) -> list[int]:
        (tensor,) = (tensor for tensor in self._tensors if tensor.name == name)
        return [-1 if isinstance(side, str) else side for side in tensor.shape]

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector()

    def create_execution_context(self) -> IExecutionContext | None:
        return IExecutionContext(self._faults, self._session)


class IExecutionContext:
    def __init__(self, faults: Faults, session: onnxruntime.InferenceSession) -> None:
        self._faults, self._session = faults, session
        self._addresses: dict[str, int] = {}
        self._shape: tuple[int, ...] = ()

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shape = shape
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert stream_handle, "the default stream is slow"
        if not self._faults.runs:
            return False
        (image,), (saliency,) = self._session.get_inputs(), self._session.get_outputs()
        pixels = ctypes.string_at(self._addresses[image.name], int(np.prod(self._shape)))
        answer = self._session.run(None, {image.name: np.frombuffer(pixels, np.uint8).reshape(self._shape)})[0]
        bent = np.ascontiguousarray(self._faults.bend(answer), np.float32)
        ctypes.memmove(self._addresses[saliency.name], bent.ctypes.data, bent.nbytes)
        return True


def fake_tensorrt(faults: Faults, version: str = "11.4.0.106") -> ModuleType:
    """The module, to be registered in `sys.modules` as `tensorrt`."""

    class Builder:
        def __init__(self, logger: ILogger) -> None:
            self._logger = logger
            faults.devices.append(faults.device_of())

        def create_network(self, flags: int = 0) -> INetworkDefinition:
            return INetworkDefinition(flags)

        def create_builder_config(self) -> IBuilderConfig:
            return IBuilderConfig(faults)

        def create_optimization_profile(self) -> IOptimizationProfile:
            return IOptimizationProfile()

        def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
            faults.configs.append(config)
            faults.builds_counted += 1
            self._logger.log(Severity.INFO, "Building.")
            self._logger.log(Severity.VERBOSE, "Every detail.")
            if not faults.builds:
                self._logger.log(Severity.ERROR, "Could not find any implementation\nfor node {everything}.")
                return None
            if not _steps(faults, config.progress_monitor):
                return None
            assert config.cache is not None
            config.cache = ITimingCache(faults.cache_of + b" measured")
            header = {"tensorrt": version, "build": faults.builds_counted}
            return json.dumps(header).encode() + _SEPARATOR + network.graph

    class OnnxParser:
        def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
            self._network = network

        def parse(self, model: bytes) -> bool:
            self._network.graph = model
            return not faults.parser_errors

        @property
        def num_errors(self) -> int:
            return len(faults.parser_errors)

        def get_error(self, index: int) -> str:
            return faults.parser_errors[index]

    class Runtime:
        def __init__(self, logger: ILogger) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
            header, _, graph = serialized_engine.partition(_SEPARATOR)
            if not faults.loads or json.loads(header)["tensorrt"] != version:
                self._logger.log(Severity.ERROR, "The engine plan file is not compatible.")
                return None
            return ICudaEngine(faults, graph)

    module = ModuleType("tensorrt")
    module.__dict__.update(
        __version__=version, Builder=Builder, OnnxParser=OnnxParser, Runtime=Runtime, ILogger=ILogger,
        IProgressMonitor=IProgressMonitor, NetworkDefinitionCreationFlag=NetworkDefinitionCreationFlag,
        BuilderFlag=BuilderFlag, MemoryPoolType=MemoryPoolType, ProfilingVerbosity=ProfilingVerbosity,
        LayerInformationFormat=LayerInformationFormat, TensorIOMode=TensorIOMode, DataType=DataType,
        IBuilderConfig=IBuilderConfig, INetworkDefinition=INetworkDefinition, ICudaEngine=ICudaEngine,
        IOptimizationProfile=IOptimizationProfile, ITimingCache=ITimingCache, IExecutionContext=IExecutionContext,
        EngineInspector=EngineInspector,
    )  # fmt: skip
    return module


def _steps(faults: Faults, monitor: Any, count: int = 3) -> bool:
    """Reports two nested phases from another thread, like TensorRT; False after the monitor has cancelled."""
    going = True

    def report() -> None:
        nonlocal going
        monitor.phase_start("Building Engine", None, 1)
        monitor.phase_start("Tactics", "Building Engine", count)
        for step in range(count):
            faults.on_step(step)
            going = going and monitor.step_complete("Tactics", step)
            if not going:
                break
        monitor.phase_finish("Tactics")
        monitor.phase_finish("Building Engine")

    thread = threading.Thread(target=report)
    thread.start()
    thread.join()
    return going
