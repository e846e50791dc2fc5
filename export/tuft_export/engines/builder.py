"""ONNX -> TensorRT: a strongly typed network of static size and dynamic batch.

The graph states the precision. TensorRT 11 supports only that; 10 is configured to do the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tuft import contract
from tuft.files import write_atomically
from tuft_export.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

    from tuft.contract import ModelSpec

OPTIMIZATION_LEVELS: Final = range(6)
DEFAULT_OPTIMIZATION_LEVEL: Final = 3  # TensorRT's own


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The user's options of a build.

    Attributes:
        workspace_mb: Largest scratch memory of one layer in MiB; None allows the whole GPU.
        optimization_level: 0 to 5; higher levels take longer to build.

    Raises:
        EngineError: A value is out of its range.
    """

    workspace_mb: int | None = None
    optimization_level: int = DEFAULT_OPTIMIZATION_LEVEL

    def __post_init__(self) -> None:
        if self.optimization_level not in OPTIMIZATION_LEVELS:
            raise EngineError(f"The optimization level is {self.optimization_level}: give a whole number from 0 to 5.")
        if self.workspace_mb is not None and self.workspace_mb < 1:
            raise EngineError(f"The workspace is {self.workspace_mb} MiB: give 1 or more, or leave it out.")


@dataclass(frozen=True, kw_only=True)
class BuildOptions(Tuning):
    """All options of a build; with the graph and the machine they determine the engine.

    Attributes:
        max_batch_size: The largest batch; the smallest is 1, for which the engine is optimised.
        tf32: Round the factors of float32 products to ten bits, as half precision does. This is faster, and suits the
            float32 islands of a graph in half precision, which need the range and not the precision.
        recipe: Incremented whenever this code builds another engine from the same options.
    """

    max_batch_size: int
    tf32: bool
    recipe: int = 1


def plan_from_onnx(
    trt: Any, graph: bytes, spec: ModelSpec, options: BuildOptions, *, logger: Any, monitor: Any, timing_cache: Path
) -> bytes | None:
    """Builds the plan of an engine for the current GPU.

    Args:
        trt: The bindings.
        graph: The serialised ONNX graph.
        spec: The served model.
        options: All options.
        logger: A `tensorrt.ILogger` with a list `errors`.
        monitor: A `tensorrt.IProgressMonitor`.
        timing_cache: The file of kernel timings, which speed up the next build; written after the build.

    Returns:
        The plan; None if `monitor` stopped the build, or if TensorRT failed for a reason in `logger.errors`.

    Raises:
        EngineError: The graph cannot be parsed, or TensorRT rejects the options.
    """
    builder = _builder(trt, logger)
    network = _network(trt, builder, graph, logger)
    config = _config(trt, builder, options, monitor)
    _add_profile(builder, config, spec, options.max_batch_size)
    _load_timings(config, timing_cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        return None
    write_atomically(timing_cache, bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def _builder(trt: Any, logger: Any) -> Any:
    try:
        return trt.Builder(logger)
    except (TypeError, RuntimeError) as exc:  # raised by the bindings if the library returns no builder
        reason = logger.errors[-1] if logger.errors else " ".join(str(exc).split())
        raise EngineError(f"TensorRT does not start ({reason}): check nvidia-smi and what else uses the GPU.") from exc


def _network(trt: Any, builder: Any, graph: bytes, logger: Any) -> Any:
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        errors = "; ".join(" ".join(str(parser.get_error(i)).split()) for i in range(parser.num_errors))
        raise EngineError(
            f"TensorRT {trt.__version__} cannot parse the graph ({errors or 'it gives no reason'}): export it again, "
            "or serve this model with the runtime onnxruntime."
        )
    return network


def _config(trt: Any, builder: Any, options: BuildOptions, monitor: Any) -> Any:
    config = builder.create_builder_config()
    config.progress_monitor = monitor
    config.builder_optimization_level = options.optimization_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # else the inspector reports only names
    if options.workspace_mb is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mb << 20)
    if not options.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    return config


def _add_profile(builder: Any, config: Any, spec: ModelSpec, max_batch_size: int) -> None:
    profile = builder.create_optimization_profile()
    smallest, largest = (1, *spec.input_shape), (max_batch_size, *spec.input_shape)
    try:
        profile.set_shape(contract.INPUT_NAME, min=smallest, opt=smallest, max=largest)
        accepted = config.add_optimization_profile(profile) >= 0
    except RuntimeError:
        accepted = False
    if not accepted:
        raise EngineError(
            f"TensorRT does not take {contract.INPUT_NAME} of {smallest} to {largest} for this graph: export it again."
        )


def _load_timings(config: Any, path: Path) -> None:
    """Loads the timings; TensorRT refuses those of another GPU or version, and then starts with none."""
    cache = config.create_timing_cache(path.read_bytes() if path.is_file() else b"")
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)
