"""What a machine can do at most: products of matrices and copies in memory, measured here or taken from a datasheet."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from _roofline.count import Work

_MATRIX: Final = 4096
_COPY_BYTES: Final = 1 << 29  # many times the largest cache
_REPETITIONS: Final = 7
VALUE_BYTES: Final = {"f32": 4, "bf16": 2}


@dataclass(frozen=True)
class Peak:
    """The most that a machine does.

    Attributes:
        name: In tables.
        flop_per_s: In products of matrices.
        bytes_per_s: Read and written, both counted.
        value_bytes: Bytes of a number in memory.
        source: `measured`, or whose figures they are.
    """

    name: str
    flop_per_s: float
    bytes_per_s: float
    value_bytes: int
    source: str = "measured"

    def least_s(self, work: Work) -> float:
        """No pass through this work is faster: the products alone, or their reads and writes alone, take so long.

        Values that stay in a cache from one product to the next would take less; caches are not counted on.
        """
        return max(work.product_flop / self.flop_per_s, work.fused_values * self.value_bytes / self.bytes_per_s)

    def is_bound_by_memory(self, work: Work) -> bool:
        """Whether it is the reads and writes that take so long."""
        return work.fused_values * self.value_bytes / self.bytes_per_s > work.product_flop / self.flop_per_s


# NVIDIA, "L4 Tensor Core GPU" (datasheet, 2023, https://www.nvidia.com/en-us/data-center/l4/): 242 TFLOP/s in FP16 or
# BF16 with sparsity, which a dense network does not have, so half; FP32 without tensor cores; 300 GB/s.
L4: Final = (
    Peak("L4 fp16", 121e12, 300e9, 2, "NVIDIA's datasheet, computed, not measured"),
    Peak("L4 fp32", 30.3e12, 300e9, 4, "NVIDIA's datasheet, computed, not measured"),
)


def measured_peaks(matrix: int = _MATRIX, copy_bytes: int = _COPY_BYTES) -> list[Peak]:
    """This machine's, for float32 and, if the processor has it, bfloat16: the best of several runs on all cores.

    Args:
        matrix: Rows and columns of the matrices.
        copy_bytes: Size of the block that is copied.
    """
    import openvino

    core = openvino.Core()
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    bytes_per_s = 2 * copy_bytes / _best_s(_copy(copy_bytes))
    return [
        Peak(precision, 2 * matrix**3 / _best_s(_product(core, matrix, precision)), bytes_per_s, VALUE_BYTES[precision])
        for precision in ("f32", "bf16")
        if precision == "f32" or has_bf16
    ]


def _product(core: Any, side: int, precision: str) -> Callable[[], object]:
    """The network's own library multiplies, a constant matrix as a layer's weights."""
    import openvino
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    left = ops.parameter([side, side], np.float32)
    right = ops.constant(rng.standard_normal((side, side)).astype(np.float32))
    model = openvino.Model([ops.matmul(left, right, False, True)], [left], "product")
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"})
    request, matrix = compiled.create_infer_request(), rng.standard_normal((side, side)).astype(np.float32)
    return lambda: request.infer([matrix])


def _copy(size: int) -> Callable[[], object]:
    """Every core copies its share."""
    cores = len(os.sched_getaffinity(0))
    source, target = (np.ones(size // 8).reshape(cores, -1) for _ in range(2))
    pool = ThreadPoolExecutor(cores)
    return lambda: list(pool.map(np.copyto, target, source))


def _best_s(run: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPETITIONS):
        began_s = time.perf_counter()
        run()
        times.append(time.perf_counter() - began_s)
    return min(times)
