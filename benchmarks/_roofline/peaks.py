"""Peak performance of a machine in matrix products and memory copies, measured here or taken from a datasheet."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from _roofline.operation_count import Work

_MATRIX: Final = 4096
_COPY_BYTES: Final = 1 << 29  # many times the largest cache
_REPETITIONS: Final = 7
VALUE_BYTES: Final = {"f32": 4, "bf16": 2}


@dataclass(frozen=True)
class Peak:
    """The peak performance of a machine in one precision.

    Attributes:
        name: Name in tables.
        flop_per_s: Operations per second in matrix products.
        bytes_per_s: Memory bandwidth, reads and writes both counted.
        value_bytes: Bytes per value in memory.
        source: `measured`, or the origin of the figures.
    """

    name: str
    flop_per_s: float
    bytes_per_s: float
    value_bytes: int
    source: str = "measured"

    def least_s(self, work: Work) -> float:
        """The lower bound of the time for this work: that of the products or that of their memory traffic.

        Values that stay in a cache between two products can beat the bound of the memory traffic.
        """
        return max(work.product_flop / self.flop_per_s, work.fused_values * self.value_bytes / self.bytes_per_s)

    def is_bound_by_memory(self, work: Work) -> bool:
        """Whether the memory traffic, not the products, sets the lower bound."""
        return work.fused_values * self.value_bytes / self.bytes_per_s > work.product_flop / self.flop_per_s


# NVIDIA, "L4 Tensor Core GPU" (datasheet, 2023, https://www.nvidia.com/en-us/data-center/l4/): 242 TFLOP/s in FP16 or
# BF16 with sparsity, halved for a dense network; FP32 without tensor cores; 300 GB/s.
L4: Final = (
    Peak("L4 fp16", 121e12, 300e9, 2, "NVIDIA's datasheet, computed, not measured"),
    Peak("L4 fp32", 30.3e12, 300e9, 4, "NVIDIA's datasheet, computed, not measured"),
)


def measured_peaks(matrix: int = _MATRIX, copy_bytes: int = _COPY_BYTES) -> list[Peak]:
    """Measures this machine for float32 and, if the CPU supports it, bfloat16: the best of several runs on all cores.

    Args:
        matrix: Rows and columns of the matrices.
        copy_bytes: Size of the copied block.
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
    """A matrix product in OpenVINO, which also runs the network; one factor is constant, like a layer's weights."""
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
    """A copy of `size` bytes, divided among all cores."""
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
