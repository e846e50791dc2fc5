"""The parity check of half precision, on photographs and on images that provoke its errors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tuft_export.errors import ParityError
from tuft_export.graphs.precision import rounded
from tuft_export.parity.comparison import compare
from tuft_export.parity.ort_session import Saliency
from tuft_export.sample_images import stress_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx
    from numpy.typing import NDArray

# Largest mean difference of the saliency (0..1) of one image from float32: one grey level of an 8-bit mask in float16,
# four in bfloat16, whose rounding steps are eight times as large.
TOLERANCES: Final = {"fp16": 1 / 255, "bf16": 4 / 255}


@dataclass(frozen=True)
class PictureError:
    """The comparison of half precision with float32 on one image.

    Attributes:
        picture: Its name.
        finite: Whether every value is finite.
        max_abs: Largest difference of the saliency.
        mean_abs: Mean difference of the saliency.
        iou: Intersection over union of the masks at one half; 1 where both are empty.
    """

    picture: str
    finite: bool
    max_abs: float
    mean_abs: float
    iou: float


@dataclass(frozen=True)
class PrecisionReport:
    """The result; true if every image is finite and within the tolerance, and a batch of two agrees with its images.

    Attributes:
        precision: fp16 or bf16.
        size: Side of the pictures in pixels.
        tolerance: Largest mean difference allowed.
        pictures: Each computed alone.
        batch_mean_abs: Mean difference of a batch of the first two from each alone.
    """

    precision: str
    size: int
    tolerance: float
    pictures: tuple[PictureError, ...]
    batch_mean_abs: float

    def __bool__(self) -> bool:
        alone = all(error.finite and error.mean_abs <= self.tolerance for error in self.pictures)
        return alone and self.batch_mean_abs <= self.tolerance

    def __str__(self) -> str:
        verdict = "within" if self else "NOT within"
        width = max(len(error.picture) for error in self.pictures)
        lines = [f"{self.size} {self.precision}: {verdict} a mean of {self.tolerance:.4f} of float32"]
        lines += [
            f"  {e.picture:<{width}}  max {e.max_abs:.1e}, mean {e.mean_abs:.1e}, IoU {e.iou:.4f}"
            f"{'' if e.finite else ', NOT FINITE'}"
            for e in self.pictures
        ]
        lines.append(f"  two in a batch against each alone: mean {self.batch_mean_abs:.1e}")
        return "\n".join(lines)

    def require(self) -> None:
        """Raises ParityError unless the report is true."""
        if not self:
            raise ParityError(f"The graph does not survive {self.precision}; nothing was written. {self}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the verdict included."""
        return {"equal": bool(self), **asdict(self)}


def precision_report(
    model: onnx.ModelProto,
    halved: onnx.ModelProto,
    precision: str,
    pictures: Mapping[str, NDArray[np.uint8]] | None = None,
) -> PrecisionReport:
    """Compares a graph in half precision with the float32 graph that it was converted from.

    Every value is rounded where the graph holds it in half precision; sums inside a product are accumulated in float32,
    as in tensor cores.

    Args:
        model: In float32.
        halved: From `tuft_export.graphs.precision.with_precision`.
        precision: fp16 or bf16.
        pictures: uint8 [S, S, 3] by name; by default `stress_pictures`.
    """
    size = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    pictures = stress_pictures(size) if pictures is None else pictures
    expected, actual = Saliency(model), Saliency(rounded(halved))
    answers = {name: actual(picture[None])[0] for name, picture in pictures.items()}
    errors = [_picture_error(name, expected(pictures[name][None])[0], answer) for name, answer in answers.items()]
    # Two images only: at 2048 each takes gigabytes.
    singles, batch = (np.stack(list(several.values())[:2]) for several in (answers, pictures))
    batch_mean_abs = compare(actual(batch), singles).mean_abs
    return PrecisionReport(precision, size, TOLERANCES[precision], tuple(errors), batch_mean_abs)


def _picture_error(name: str, expected: NDArray[np.float32], actual: NDArray[np.float32]) -> PictureError:
    off = compare(actual[None], expected[None])
    return PictureError(name, off.finite, off.max_abs, off.mean_abs, off.iou)
