"""Builds and verifies one engine, from the graph in a folder to the plan beside it."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TextIO

from tuft import contract
from tuft.files import write_atomically
from tuft_export.engines.bindings import load_tensorrt
from tuft_export.engines.builder import BuildOptions, Tuning, plan_from_onnx
from tuft_export.engines.callbacks import file_logger, progress_monitor
from tuft_export.engines.cuda import Cuda, Gpu, choose_gpu
from tuft_export.engines.files import build_fingerprint, verified_record
from tuft_export.engines.graph import graph_in_place
from tuft_export.engines.parity import TOLERANCES, Verification, verify
from tuft_export.engines.runner import EngineRunner
from tuft_export.errors import EngineError
from tuft_export.parity.reference import reference_saliency
from tuft_export.provenance import write_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from tuft.contract import ModelSpec
    from tuft.provenance import Link
    from tuft_export.engines.files import EngineFiles


@dataclass(frozen=True)
class Machine:
    """The software and the GPU that an engine is built with and for.

    Attributes:
        trt: TensorRT's bindings.
        cuda: The driver.
        gpu: The GPU that will run the engine.
    """

    trt: Any
    cuda: Cuda
    gpu: Gpu


@dataclass(frozen=True)
class Engine:
    """A built engine.

    Attributes:
        record: Its link in the chain of provenance.
        verification: The result of the check; None if the engine existed already, with the result in its record.
    """

    record: Link
    verification: Verification | None


def this_machine(device: str | None) -> Machine:
    """Finds TensorRT and a GPU.

    Args:
        device: Whole words of the GPU's name, such as `L4`; None selects the first GPU.

    Raises:
        EngineError: One of them is missing, or TensorRT is too old.
    """
    trt = load_tensorrt()
    cuda = Cuda()
    return Machine(trt, cuda, choose_gpu(cuda.gpus(), device))


def build_engine(
    machine: Machine, files: EngineFiles, tuning: Tuning, *, force: bool = False, progress: bool = True
) -> Engine:
    """Builds and verifies the engine of one size from its graph, unless it is up to date.

    An existing engine is replaced only by a verified one.

    Args:
        machine: From `this_machine`.
        files: The paths of the size.
        tuning: The user's options.
        force: Build even if the engine is up to date.
        progress: Show progress bars on standard error.

    Raises:
        EngineError: There is no graph, TensorRT fails, or the engine does not compute the same as the graph. Only the
            log and the timings of the build are kept.
        KeyboardInterrupt: After Ctrl-C, once TensorRT has ended its step; the log is not kept.
    """
    graph = graph_in_place(files)
    options = _options(graph, contract.MODELS[files.size], tuning)
    parts = build_fingerprint(graph["sha256"], machine.trt.__version__, machine.gpu, options)
    record = verified_record(files.plan)
    if not force and record is not None and record.get("key") == parts["key"]:
        return Engine(record, None)
    with _log(files) as log:
        logger = file_logger(machine.trt, log)
        plan, build_s = _built(machine, files, options, logger, progress=progress)
        proven = _proven(machine, files, plan, graph["precision"], logger)
        print(proven.verification, file=log)
        proven.verification.require()
        record = {
            "kind": "plan",
            "sha256": hashlib.sha256(plan).hexdigest(),
            **parts,
            "device_memory_bytes": proven.device_memory_bytes,
            "build_s": round(build_s, 1),
            "verification": proven.verification.to_dict(),
        }
        write_atomically(files.layers, proven.layers.encode())
        # The plan before its record: a record that does not match its file is ignored.
        write_atomically(files.plan, plan)
        write_record(files.plan, record)
    return Engine(record, proven.verification)


def _options(graph: Link, spec: ModelSpec, tuning: Tuning) -> BuildOptions:
    precision = graph.get("precision")
    if precision not in TOLERANCES:
        raise EngineError(f"The graph of {spec.name} is of unknown precision ({precision}): export it again.")
    return BuildOptions(max_batch_size=spec.max_batch_size, tf32=precision != "fp32", **asdict(tuning))


@contextlib.contextmanager
def _log(files: EngineFiles) -> Iterator[TextIO]:
    """The open log; it keeps the name of a failed one until the engine is in place, even if TensorRT crashes."""
    try:
        with files.failed_log.open("w") as log:
            yield log
    except KeyboardInterrupt:
        files.failed_log.unlink()
        raise
    files.failed_log.replace(files.log)


def _built(
    machine: Machine, files: EngineFiles, options: BuildOptions, logger: Any, *, progress: bool
) -> tuple[bytes, float]:
    """The plan, and the build time in seconds."""
    graph, spec = files.graph.read_bytes(), contract.MODELS[files.size]

    def build(stopped: Callable[[], bool]) -> bytes | None:
        monitor = progress_monitor(machine.trt, stopped, progress=progress)
        with machine.cuda.on(machine.gpu):
            return plan_from_onnx(
                machine.trt, graph, spec, options, logger=logger, monitor=monitor, timing_cache=files.timing_cache
            )

    started = time.monotonic()
    with _deferred_interrupt() as stopped, ThreadPoolExecutor(max_workers=1) as pool:
        plan = pool.submit(build, stopped).result()
    if plan is None:
        reason = logger.errors[-1] if logger.errors else "it gives no reason"
        raise EngineError(
            f"TensorRT could not build model_{files.size}.plan ({reason}): read {files.failed_log}, stop what else "
            "uses the GPU, or give less to do with a lower --optimization-level."
        )
    return plan, time.monotonic() - started


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Defers Ctrl-C: records it for the build to poll, and raises KeyboardInterrupt after the block.

    The build must run in another thread than the main one: inside TensorRT, Python handles no signals.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield stop.is_set
        return
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield stop.is_set
    finally:
        signal.signal(signal.SIGINT, before)
    if stop.is_set():
        raise KeyboardInterrupt


@dataclass(frozen=True)
class _Proven:
    verification: Verification
    layers: str
    device_memory_bytes: int


def _proven(machine: Machine, files: EngineFiles, plan: bytes, precision: str, logger: Any) -> _Proven:
    """Loads the plan as a server would, and verifies it."""
    graph, spec = files.graph.read_bytes(), contract.MODELS[files.size]

    def reference(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return reference_saliency(graph, images)

    with machine.cuda.on(machine.gpu), EngineRunner(machine.trt, machine.cuda, plan, spec, logger) as runner:
        return _Proven(verify(runner.run, reference, spec, precision), runner.layers(), runner.device_memory_bytes)
