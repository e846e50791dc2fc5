"""One verified engine, from the graph in a folder to the plan beside it."""

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
from tuft_export.engines.files import ingredients, sound_record
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
    """What an engine is built with, and for.

    Attributes:
        trt: TensorRT's bindings.
        cuda: The driver.
        gpu: Where the engine will run.
    """

    trt: Any
    cuda: Cuda
    gpu: Gpu


@dataclass(frozen=True)
class Engine:
    """An engine in its place.

    Attributes:
        record: Its link in the chain of provenance.
        verification: The proof; None where the engine was there already, with its proof in the record.
    """

    record: Link
    verification: Verification | None


def this_machine(device: str | None) -> Machine:
    """Looks for TensorRT and for a GPU.

    Args:
        device: Whole words of the GPU's name, such as `L4`; None takes the first.

    Raises:
        EngineError: One of them is missing, or TensorRT is too old.
    """
    trt = load_tensorrt()
    cuda = Cuda()
    return Machine(trt, cuda, choose_gpu(cuda.gpus(), device))


def build_engine(
    machine: Machine, files: EngineFiles, tuning: Tuning, *, force: bool = False, progress: bool = True
) -> Engine:
    """Builds and proves the engine of a size from the graph that is in place, unless it is there already.

    An engine that was there stays until the new one is proven.

    Args:
        machine: As by `this_machine`.
        files: Of the size.
        tuning: What may be chosen.
        force: Build in any case.
        progress: Show bars on standard error.

    Raises:
        EngineError: There is no graph, TensorRT fails, or the engine does not compute what the graph computes. Of the
            build, only its log and its timings stay.
        KeyboardInterrupt: After Ctrl-C, once TensorRT has ended its step; no log stays either.
    """
    graph = graph_in_place(files)
    options = _options(graph, contract.MODELS[files.size], tuning)
    parts = ingredients(graph["sha256"], machine.trt.__version__, machine.gpu, options)
    record = sound_record(files.plan)
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
        # The plan before its record: a record that does not fit its file is none.
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
    """What is open here is the log of a failure until the engine is in its place, even if TensorRT crashes."""
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
    """The plan, and the seconds it took."""
    graph, spec = files.graph.read_bytes(), contract.MODELS[files.size]

    def build(stopped: Callable[[], bool]) -> bytes | None:
        monitor = progress_monitor(machine.trt, stopped, progress=progress)
        with machine.cuda.on(machine.gpu):
            return plan_from_onnx(
                machine.trt, graph, spec, options, logger=logger, monitor=monitor, timing_cache=files.timing_cache
            )

    started = time.monotonic()
    with _ctrl_c_noted() as stopped, ThreadPoolExecutor(max_workers=1) as pool:
        plan = pool.submit(build, stopped).result()
    if plan is None:
        reason = logger.errors[-1] if logger.errors else "it gives no reason"
        raise EngineError(
            f"TensorRT could not build model_{files.size}.plan ({reason}): read {files.failed_log}, stop what else "
            "uses the GPU, or give less to do with a lower --optimization-level."
        )
    return plan, time.monotonic() - started


@contextlib.contextmanager
def _ctrl_c_noted() -> Iterator[Callable[[], bool]]:
    """Within, Ctrl-C is noted, for the build to ask; after it, it is raised.

    The main thread has to be waiting for another one that computes: inside TensorRT, Python handles no signal.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread is told of signals
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
    """Loads the plan as a server would, and asks it."""
    graph, spec = files.graph.read_bytes(), contract.MODELS[files.size]

    def reference(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return reference_saliency(graph, images)

    with machine.cuda.on(machine.gpu), EngineRunner(machine.trt, machine.cuda, plan, spec, logger) as runner:
        return _Proven(verify(runner.run, reference, spec, precision), runner.layers(), runner.device_memory_bytes)
