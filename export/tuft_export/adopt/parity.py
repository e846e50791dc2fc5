"""The parity check of an adoption: the wrapped graph against the network, for single images and batches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft_export.errors import ParityError
from tuft_export.parity.comparison import compare
from tuft_export.parity.ort_session import Saliency, failure_reason
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from tuft_export.adopt.onnx_model import Source

BATCH_SIZES: Final = (1, 2, 3)

# Largest difference of the saliency (0..1) between the network with numpy around it and the wrapped graph. Both run the
# same network, but may round differently; in float16 rounding is a thousand times coarser.
TOLERANCE: Final = 1e-3
HALF_TOLERANCE: Final = 2e-2
# Below this deviation the saliency is practically constant, and the comparison proves nothing.
MIN_OUTPUT_STD: Final = 1e-3


@dataclass(frozen=True)
class BatchProof:
    """The comparison at one batch size.

    Attributes:
        batch_size: Pictures in the batch.
        max_abs: Largest difference from the network's results for the same images one by one; None if the graph
            fails at this batch size.
    """

    batch_size: int
    max_abs: float | None


@dataclass(frozen=True)
class Proof:
    """The result: true if single images agree; `batches_agree` tells whether batches do too.

    Attributes:
        tolerance: Largest difference allowed.
        output_std: Standard deviation of the saliency over the sample pictures.
        batches: The comparisons; only single images where the network takes no batch.
    """

    tolerance: float
    output_std: float
    batches: tuple[BatchProof, ...]

    def __bool__(self) -> bool:
        return self._agrees(self.batches[0]) and self.output_std >= MIN_OUTPUT_STD

    @property
    def batches_agree(self) -> bool:
        """Whether batches give the same results as their images one by one."""
        return len(self.batches) > 1 and all(map(self._agrees, self.batches))

    def __str__(self) -> str:
        told = [
            f"  batch {batch.batch_size}: " + ("fails" if batch.max_abs is None else f"max {batch.max_abs:.2e}")
            for batch in self.batches
        ]
        verdict = "equal to the network" if self else "NOT equal to the network"
        return "\n".join([f"{verdict} (tolerance {self.tolerance:g})", *told])

    def require(self) -> None:
        """Raises ParityError unless the proof is true."""
        if self.output_std < MIN_OUTPUT_STD:
            raise ParityError(
                "The network answers every sample picture with the same values, nothing was written: look at "
                "--normalize, --output and --output-activation."
            )
        if not self:
            raise ParityError(f"The wrapped graph is not the network, nothing was written: report it. {self}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the verdict included."""
        return {"equal": bool(self), "batches_agree": self.batches_agree, **asdict(self)}

    def _agrees(self, batch: BatchProof) -> bool:
        return batch.max_abs is not None and batch.max_abs <= self.tolerance


def prove(path: Path, expected: NDArray[np.float32], pictures: NDArray[np.uint8], source: Source) -> Proof:
    """Compares a wrapped graph with the expected saliency.

    Args:
        path: The wrapped graph, as it will be served.
        expected: float32 [n, S, S].
        pictures: uint8 [n, S, S, 3].
        source: The network; batches are compared if its batch size is dynamic.

    Raises:
        ParityError: ONNX Runtime cannot load or run the graph.
    """
    try:
        saliency = Saliency(path)
        singles = np.concatenate([saliency(picture[None]) for picture in pictures])
    except ImportError:
        raise
    except Exception as exc:  # ONNX Runtime's own exceptions have no common base
        raise ParityError(
            f"The wrapped graph does not run, nothing was written: report it ({failure_reason(exc)})."
        ) from exc
    batches = [BatchProof(1, _distance(singles, expected))]
    if source.is_batched:
        batches += [_batch_proof(saliency, pictures[:n], expected[:n]) for n in BATCH_SIZES[1:]]
    return Proof(HALF_TOLERANCE if source.is_half else TOLERANCE, float(expected.std()), tuple(batches))


def proof_pictures(size: int) -> NDArray[np.uint8]:
    """Sample images for the largest batch: uint8 [n, size, size, 3]."""
    return sample_pictures(size, max(BATCH_SIZES))


def _batch_proof(saliency: Saliency, pictures: NDArray[np.uint8], expected: NDArray[np.float32]) -> BatchProof:
    try:
        batch = saliency(pictures)
    except Exception:  # ONNX Runtime's own exceptions have no common base; a failure is a result here
        return BatchProof(len(pictures), None)
    return BatchProof(len(pictures), _distance(batch, expected))


def _distance(actual: NDArray[Any], expected: NDArray[np.float32]) -> float | None:
    """Largest difference; None for different shapes and values that are not finite."""
    if actual.shape != expected.shape:
        return None
    off = compare(actual, expected)
    return off.max_abs if off.finite else None
