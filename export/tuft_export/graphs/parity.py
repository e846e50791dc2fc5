"""The parity check of an export: names, axes, shapes and values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from tuft import contract
from tuft_export.errors import ParityError
from tuft_export.graphs.exportable import ServedNetwork
from tuft_export.parity.comparison import compare
from tuft_export.parity.ort_session import Saliency
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx
    from numpy.typing import NDArray

    from tuft_export.graphs.onnx_from_torch import ExportOptions
    from tuft_export.inspyrenet import InSPyReNet

BATCH_SIZES: Final = (1, 2, 3)

# Largest difference of the saliency (0..1) between torch and ONNX Runtime, both float32.
TOLERANCE: Final = 2e-3
# Blending tests whether the saliency changes by more than a half; near that threshold rounding may flip the result for
# a few pixels. This is the largest allowed share.
FLIPPED_SHARE: Final = 1e-4


@dataclass(frozen=True)
class BatchParity:
    """The comparison at one batch size: ONNX Runtime with torch, and the batch with its images one by one.

    Attributes:
        batch_size: Pictures in the batch.
        max_abs: Largest difference from torch.
        mean_abs: Mean difference from torch.
        flipped_share: Share of pixels farther from torch than the tolerance.
        singles_max_abs: Largest difference from the same images computed one by one.
        singles_flipped_share: Share of pixels farther from those than the tolerance.
        output_std: Standard deviation of the output; the agreement of constants would prove nothing.
    """

    batch_size: int
    max_abs: float
    mean_abs: float
    flipped_share: float
    singles_max_abs: float
    singles_flipped_share: float
    output_std: float


@dataclass(frozen=True)
class ParityReport:
    """The result; true if everything is within tolerance."""

    size: int
    blend: bool
    tolerance: float
    flipped_share_allowed: float
    batches: tuple[BatchParity, ...]

    def __bool__(self) -> bool:
        allowed = self.flipped_share_allowed if self.blend else 0.0
        return all(
            batch.flipped_share <= allowed and batch.singles_flipped_share <= allowed and batch.output_std > 0.01
            for batch in self.batches
        )

    def __str__(self) -> str:
        verdict = "equal to torch" if self else "NOT equal to torch"
        kind = "blended" if self.blend else "plain"
        lines = [f"{self.size} {kind}: {verdict} (tolerance {self.tolerance:g})"]
        lines += [
            f"  batch {b.batch_size}: max {b.max_abs:.2e}, mean {b.mean_abs:.2e}, beyond tolerance "
            f"{b.flipped_share:.1e} of pixels; against singles max {b.singles_max_abs:.2e}"
            for b in self.batches
        ]
        return "\n".join(lines)

    def require(self) -> None:
        """Raises ParityError unless the report is true."""
        if not self:
            raise ParityError(f"The exported graph is not the network; nothing was written. {self}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the verdict included."""
        return {"equal": bool(self), **asdict(self)}


def parity_report(
    model: onnx.ModelProto, network: InSPyReNet, options: ExportOptions, batch_sizes: Sequence[int] = BATCH_SIZES
) -> ParityReport:
    """Compares an exported graph with its network, on real photographs.

    Args:
        model: The graph.
        network: In evaluation mode.
        options: Its export options.
        batch_sizes: Batch sizes to compare.

    Raises:
        ParityError: Names, types or axes differ from the contract; wrong values only make the report false.
    """
    check_interface(model, options.size)
    saliency = Saliency(model)
    blend = options.blends(network.config.base_size)
    served = ServedNetwork(network, blend=blend).eval()
    pictures = sample_pictures(options.size, max(batch_sizes))

    def run(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        output = saliency(batch)
        if output.shape != (len(batch), options.size, options.size):
            raise ParityError(f"A batch of shape {batch.shape} gave {output.shape}: the exported axes are wrong.")
        return output

    singles = np.concatenate([run(picture[None]) for picture in pictures])
    with torch.no_grad():
        expected = np.concatenate([served(torch.from_numpy(picture[None])).numpy() for picture in pictures])
    batches = tuple(_batch_parity(run(pictures[:n]), expected[:n], singles[:n]) for n in batch_sizes)
    return ParityReport(options.size, blend, TOLERANCE, FLIPPED_SHARE, batches)


def check_interface(model: onnx.ModelProto, size: int) -> None:
    """Checks the graph's input and output against the contract: names, element types, axes.

    Raises:
        ParityError: One of them differs; the message says which.
    """
    from onnx import TensorProto

    inputs = [(i.name, i.type.tensor_type.elem_type, _shape(i)) for i in model.graph.input]
    outputs = [(o.name, o.type.tensor_type.elem_type, _shape(o)) for o in model.graph.output]
    expected_inputs = [(contract.INPUT_NAME, TensorProto.UINT8, ("n", size, size, contract.CHANNELS))]
    expected_outputs = [(contract.OUTPUT_NAME, TensorProto.FLOAT, ("n", size, size))]
    for kind, actual, expected in (("inputs", inputs, expected_inputs), ("outputs", outputs, expected_outputs)):
        if actual != expected:
            raise ParityError(f"The graph's {kind} are {actual} instead of {expected}: export it again.")


def _shape(value: onnx.ValueInfoProto) -> tuple[str | int, ...]:
    return tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)


def _batch_parity(
    actual: NDArray[np.float32], expected: NDArray[np.float32], singles: NDArray[np.float32]
) -> BatchParity:
    from_torch, from_singles = compare(actual, expected, TOLERANCE), compare(actual, singles, TOLERANCE)
    return BatchParity(
        batch_size=len(actual),
        max_abs=from_torch.max_abs,
        mean_abs=from_torch.mean_abs,
        flipped_share=from_torch.off_share,
        singles_max_abs=from_singles.max_abs,
        singles_flipped_share=from_singles.off_share,
        output_std=float(actual.std()),
    )
