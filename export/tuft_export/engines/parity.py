"""The parity check of a build: the engine against its graph in float32, on real photographs, for several batches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft_export.errors import EngineError
from tuft_export.parity.comparison import compare
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuft.contract import ModelSpec

# Below this standard deviation the reference is practically constant, and the comparison proves nothing.
_LIVELY_STD: Final = 0.01


@dataclass(frozen=True)
class Tolerance:
    """The largest allowed differences between an engine and its graph in float32.

    Attributes:
        saliency: A pixel with a larger difference is off.
        off_share: Share of pixels that may be off; blending uses thresholds, where rounding affects a few pixels.
        mean: Mean difference.
        iou: Least intersection over union of the foreground.
    """

    saliency: float
    off_share: float
    mean: float
    iou: float


# From the mantissas of 23, 10 and 7 bits; the means of half precision are those of `graphs.precision_parity`. Not
# measured on a GPU. With every value rounded on the CPU, the demo at 1024 gives 2e-4 in fp16 and 2e-3 in bf16.
TOLERANCES: Final = {
    "fp32": Tolerance(saliency=2e-3, off_share=1e-3, mean=5e-4, iou=0.999),
    "fp16": Tolerance(saliency=2e-2, off_share=1e-2, mean=1 / 255, iou=0.99),
    "bf16": Tolerance(saliency=5e-2, off_share=2e-2, mean=4 / 255, iou=0.98),
}


@dataclass(frozen=True)
class BatchVerification:
    """The comparison at one batch size. Pixels that are not finite count as off by 1.

    Attributes:
        batch_size: Pictures in the batch.
        finite: Every pixel is finite.
        max_abs: Largest difference of the saliency from the reference.
        mean_abs: Mean difference.
        off_share: Share of pixels farther off than the tolerance.
        iou: Least intersection over union, at a saliency of 0.5, of any image.
        singles_max_abs: Largest difference from the same images computed one by one.
        singles_off_share: Share of pixels farther from those than the tolerance.
    """

    batch_size: int
    finite: bool
    max_abs: float
    mean_abs: float
    off_share: float
    iou: float
    singles_max_abs: float
    singles_off_share: float


@dataclass(frozen=True)
class Verification:
    """The result; true if every batch is within tolerance."""

    precision: str
    tolerance: Tolerance
    reference_std: float
    batches: tuple[BatchVerification, ...]

    def __bool__(self) -> bool:
        return self.reference_std > _LIVELY_STD and all(map(self._passes, self.batches))

    def __str__(self) -> str:
        return "\n".join(
            f"batch {b.batch_size}: max {b.max_abs:.1e}, mean {b.mean_abs:.1e}, off {b.off_share:.1e} of pixels, "
            f"IoU {b.iou:.4f}; against singles max {b.singles_max_abs:.1e}" + ("" if b.finite else "; NOT FINITE")
            for b in self.batches
        )

    def require(self) -> None:
        """Raises EngineError unless the verification is true."""
        if self.reference_std <= _LIVELY_STD:
            raise EngineError("The graph answers every picture alike, which proves nothing: use trained weights.")
        for batch in self.batches:
            if not self._passes(batch):
                raise EngineError(
                    f"The {self.precision} engine does not compute what its graph computes ({_line(batch)}; allowed: "
                    f"{_line(self.tolerance)}), so it was not kept: build it with --precision fp32, or a lower "
                    "--optimization-level."
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the verdict included."""
        return {"equal": bool(self), **asdict(self), "batches": [asdict(batch) for batch in self.batches]}

    def _passes(self, batch: BatchVerification) -> bool:
        allowed = self.tolerance
        return (
            batch.finite
            and batch.mean_abs <= allowed.mean
            and batch.off_share <= allowed.off_share
            and batch.singles_off_share <= allowed.off_share
            and batch.iou >= allowed.iou
        )


def verify(
    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    reference: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    spec: ModelSpec,
    precision: str,
) -> Verification:
    """Compares an engine with its reference at batch sizes 1, 2 and the largest.

    Args:
        run: The engine, from uint8 [n, S, S, 3] to float32 [n, S, S].
        reference: The graph in float32, likewise.
        spec: The served model.
        precision: A key of `TOLERANCES`.
    """
    tolerance = TOLERANCES[precision]
    pictures = sample_pictures(spec.size, spec.max_batch_size)
    expected = reference(pictures)
    singles = np.concatenate([run(picture[None]) for picture in pictures])
    sizes = sorted({min(n, spec.max_batch_size) for n in (1, 2, spec.max_batch_size)})
    batches = tuple(_verified(run(pictures[:n]), expected[:n], singles[:n], tolerance.saliency) for n in sizes)
    return Verification(precision, tolerance, float(expected.std()), batches)


def _verified(
    actual: NDArray[np.float32], expected: NDArray[np.float32], singles: NDArray[np.float32], tolerance: float
) -> BatchVerification:
    from_graph, from_singles = compare(actual, expected, tolerance), compare(actual, singles, tolerance)
    return BatchVerification(
        batch_size=len(actual),
        finite=from_graph.finite,
        max_abs=from_graph.max_abs,
        mean_abs=from_graph.mean_abs,
        off_share=from_graph.off_share,
        iou=from_graph.iou,
        singles_max_abs=from_singles.max_abs,
        singles_off_share=from_singles.off_share,
    )


def _line(values: BatchVerification | Tolerance) -> str:
    return ", ".join(f"{name} {value:.2g}" for name, value in asdict(values).items())
