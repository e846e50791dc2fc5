"""Error measures between an alpha and the truth.

The four matting errors are those of C. Rhemann et al., "A perceptually motivated online benchmark for image matting",
CVPR 2009, over the whole image or a part of it; the boundary measure is that of F. Perazzi et al., "A benchmark
dataset and evaluation methodology for video object segmentation", CVPR 2016.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Field = NDArray[np.float32]  # [h, w], 0..1

_GRADIENT_SIGMA_PX: Final = 1.4
_CONNECTIVITY_STEPS: Final = 10
_CONNECTIVITY_TOLERANCE: Final = 0.15
_BOUNDARY_TOLERANCE: Final = 0.008  # of the image's diagonal
_CLEAR: Final = 0.02  # alpha below it is invisible; alpha above 1 minus it is visibly opaque


@dataclass(frozen=True)
class Measures:
    """Errors of one alpha, or their means over several.

    Attributes:
        iou: Intersection over union of both alphas above 0.5; 1 if neither has such a pixel.
        mae: Mean absolute error over all pixels.
        sad: Sum of absolute errors over all pixels, divided by 1000.
        gradient: Sum of squared differences of the gradient magnitudes, divided by 1000.
        connectivity: Sum of the differences in connectedness to the common foreground, divided by 1000.
        boundary_f: Harmonic mean of precision and recall of the outline at 0.5, 0..1.
    """

    iou: float
    mae: float
    sad: float
    gradient: float
    connectivity: float
    boundary_f: float


@dataclass(frozen=True)
class MattingErrors:
    """The four matting errors over one part of an image.

    Attributes:
        sad: Sum of absolute errors, divided by 1000.
        mse: Mean squared error; 0 for a part without pixels.
        gradient: As in `Measures`, over the part.
        connectivity: As in `Measures`, over the part.
    """

    sad: float
    mse: float
    gradient: float
    connectivity: float


@dataclass(frozen=True, eq=False)
class ErrorMaps:
    """The contribution of each pixel to the matting errors, all float32 [h, w] and at least 0."""

    absolute: Field
    gradient: Field
    connectivity: Field

    def over(self, part: NDArray[np.bool_] | None = None) -> MattingErrors:
        """The errors over the pixels in the mask `part` [h, w], or over all."""
        absolute, gradient, connectivity = (
            one if part is None else one[part] for one in (self.absolute, self.gradient, self.connectivity)
        )
        return MattingErrors(
            sad=_thousandth_of_sum(absolute),
            mse=float(np.square(absolute).mean(dtype=np.float64)) if absolute.size else 0.0,
            gradient=_thousandth_of_sum(gradient),
            connectivity=_thousandth_of_sum(connectivity),
        )


def error_maps(alpha: Field, truth: Field) -> ErrorMaps:
    """Compares an alpha with the truth, both [h, w] float32 in 0..1, pixel by pixel."""
    return ErrorMaps(
        absolute=np.abs(alpha - truth),
        gradient=(cv2.magnitude(*_gradient(alpha)) - cv2.magnitude(*_gradient(truth))) ** 2,
        connectivity=_connectivity_map(alpha, truth),
    )


def measures(alpha: Field, truth: Field) -> Measures:
    """Compares an alpha with the truth, both [h, w] float32 in 0..1."""
    maps = error_maps(alpha, truth)
    errors = maps.over()
    return Measures(
        iou=intersection_over_union(alpha > 0.5, truth > 0.5),
        mae=float(maps.absolute.mean()),
        sad=errors.sad,
        gradient=errors.gradient,
        connectivity=errors.connectivity,
        boundary_f=boundary_f(alpha > 0.5, truth > 0.5),
    )


def unknown_band(truth: Field, radius: int = 10) -> NDArray[np.bool_]:
    """The true transition region: all pixels within `radius` of one that is neither clear nor opaque, [h, w].

    A hard edge counts as a transition between the two pixels that it separates.
    """
    soft = (truth > _CLEAR) & (truth < 1 - _CLEAR)
    return _near(soft | _outline(truth > 0.5) | _outline(truth <= 0.5), radius)


def edge_sharpness(alpha: Field, truth: Field, band: NDArray[np.bool_]) -> float:
    """Correlation of an alpha's edges with the true ones: ESS = Σ ∇a·∇t / √(Σ|∇a|² · Σ|∇t|²) over the band.

    1 is the right edge in the right place. Blur, oversharpening and misplaced edges lower it; a constant factor on
    alpha does not. It is negative if edges have the opposite direction, 1 if neither has an edge in the band, and 0 if
    only one has none.
    """
    ours, theirs = (np.stack([axis[band] for axis in _gradient(matte)]).astype(np.float64) for matte in (alpha, truth))
    norm = float(np.sqrt((ours**2).sum() * (theirs**2).sum()))
    if norm == 0:
        return float(not ours.any() and not theirs.any())
    return float((ours * theirs).sum()) / norm


def mean(several: Sequence[Measures]) -> Measures:
    """The mean of each measure."""
    return Measures(*np.array([astuple(one) for one in several]).mean(axis=0).tolist())


def intersection_over_union(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """Of two masks [h, w]; 1 if both are empty."""
    union = np.count_nonzero(ours | theirs)
    return np.count_nonzero(ours & theirs) / union if union else 1.0


def soft_iou(alpha: Field, truth: Field) -> float:
    """Σ min / Σ max of two alphas [h, w], 0..1; 1 if both are empty."""
    union = float(np.maximum(alpha, truth).sum(dtype=np.float64))
    return float(np.minimum(alpha, truth).sum(dtype=np.float64)) / union if union else 1.0


def gradient_error(alpha: Field, truth: Field) -> float:
    """Sum of squared differences of the gradient magnitudes, divided by 1000.

    The gradient is taken with first derivatives of a Gaussian of σ = 1.4 pixels, on 9×9 kernels of unit L2 norm,
    borders repeated.
    """
    return error_maps(alpha, truth).over().gradient


def gradient_kernel() -> NDArray[np.float64]:
    """The horizontal derivative, [9, 9]; its transpose is the vertical one."""
    sigma = _GRADIENT_SIGMA_PX
    # The radius within which the Gaussian is above a hundredth.
    reach = int(np.ceil(sigma * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * sigma * 0.01))))
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    gaussian = np.exp(-(x**2) / (2 * sigma**2))
    kernel: NDArray[np.float64] = np.outer(gaussian, -x * gaussian)
    return kernel / np.linalg.norm(kernel)


def _gradient(alpha: Field) -> tuple[Field, Field]:
    """The horizontal and vertical derivatives, each [h, w]."""
    kernel = gradient_kernel()
    across: Field = cv2.filter2D(alpha, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
    down: Field = cv2.filter2D(alpha, cv2.CV_32F, kernel.T, borderType=cv2.BORDER_REPLICATE)
    return across, down


def _thousandth_of_sum(values: Field) -> float:
    return float(values.sum(dtype=np.float64)) / 1000


def connectivity_error(alpha: Field, truth: Field) -> float:
    """Sum of |φ(alpha) − φ(truth)|, divided by 1000.

    A pixel is connected up to the level l at which it leaves the largest 4-connected region where both alphas are at
    least l (levels in tenths); φ = 1 − (value − l) where it exceeds that level by 0.15 or more, else 1.
    """
    return error_maps(alpha, truth).over().connectivity


def _connectivity_map(alpha: Field, truth: Field) -> Field:
    level = np.full(alpha.shape, -1, dtype=np.float32)
    for i in range(1, _CONNECTIVITY_STEPS + 1):
        both = (alpha >= i / _CONNECTIVITY_STEPS) & (truth >= i / _CONNECTIVITY_STEPS)
        leaves = (level < 0) & ~_largest_region(both)
        level[leaves] = (i - 1) / _CONNECTIVITY_STEPS
    level[level < 0] = 1
    difference: Field = np.abs(_connectedness(alpha, level) - _connectedness(truth, level))
    return difference


def _connectedness(alpha: Field, level: Field) -> Field:
    beyond = alpha - level
    return 1 - beyond * (beyond >= _CONNECTIVITY_TOLERANCE)


def _largest_region(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if len(statistics) == 1:
        return np.zeros_like(mask)
    largest: NDArray[np.bool_] = labels == 1 + int(np.argmax(statistics[1:, cv2.CC_STAT_AREA]))
    return largest


def boundary_f(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """F-measure of two outlines with a tolerance of 0.8 % of the image's diagonal; 1 if both are empty."""
    our_outline, their_outline = _outline(ours), _outline(theirs)
    if not our_outline.any() or not their_outline.any():
        return float(our_outline.any() == their_outline.any())
    reach = int(np.ceil(_BOUNDARY_TOLERANCE * np.hypot(ours.shape[0], ours.shape[1])))
    precision = float((our_outline & _near(their_outline, reach)).sum() / our_outline.sum())
    recall = float((their_outline & _near(our_outline, reach)).sum() / their_outline.sum())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask with a 4-neighbour outside it; the border of the image does not count."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inner = cv2.erode(mask.astype(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    outline: NDArray[np.bool_] = mask & (inner == 0)
    return outline


def _near(outline: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    distance = cv2.distanceTransform(1 - outline.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near: NDArray[np.bool_] = distance <= reach
    return near
