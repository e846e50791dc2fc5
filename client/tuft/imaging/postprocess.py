"""Converts the network's saliency to an alpha matte at the photograph's size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from tuft.errors import ContractError, NoSubjectError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.imaging.geometry import Geometry

# Below this even the most salient pixel is more likely background than subject.
MIN_SUBJECT_SALIENCY: Final = 0.5
# Less than one grey level of the result counts as no contrast.
MIN_CONTRAST: Final = 1 / 255
_ROWS_AT_ONCE: Final = 64


def alpha_from_saliency(
    saliency: NDArray[np.floating[Any]], geometry: Geometry, *, reference: bool = False
) -> NDArray[np.float32]:
    """Scales the saliency per image and resizes it to the photograph.

    Scaling maps the least salient pixel to 0 and the most salient to 1. At most 0.5 is subtracted, so that in a
    photograph without background the least salient pixel does not become background.

    Args:
        saliency: float16 or float32 (S, S), 0..1, the output of the network.
        geometry: Where the photograph lies in the square.
        reference: Do exactly what transparent-background 1.3.4 does: always scale to 0..1
            (`InSPyReNet.forward_inference`), and resize bilinearly with aligned corners (`Remover.process`).

    Returns:
        float32 (H, W), 0..1.

    Raises:
        NoSubjectError: Nothing is salient, or everything is equally salient.
        ContractError: The saliency is not finite, or its size differs from the geometry's.
    """
    if saliency.shape != (geometry.size, geometry.size):
        raise ContractError(
            f"The model answered with shape {saliency.shape} where ({geometry.size}, {geometry.size}) was asked for: "
            "serve the model that tuft-export publishes."
        )
    scaled = _scaled(saliency[geometry.box].astype(np.float32), floor_at_most=1.0 if reference else 0.5)
    return _resized_aligned(scaled, geometry.photo_hw) if reference else _resized(scaled, geometry.photo_hw)


def _scaled(saliency: NDArray[np.float32], floor_at_most: float) -> NDArray[np.float32]:
    least, most = float(saliency.min()), float(saliency.max())
    if not np.isfinite(least + most):
        raise ContractError(
            "The model answered with values that are not finite: export it again, with fp32 where its sums overflow."
        )
    if most < MIN_SUBJECT_SALIENCY or most - least < MIN_CONTRAST:
        raise NoSubjectError(
            f"Nothing stands out in this picture (saliency {least:.2f} to {most:.2f}): give one with a clear subject."
        )
    floor = min(least, floor_at_most)
    scaled: NDArray[np.float32] = (saliency - np.float32(floor)) / np.float32(most - floor)
    return scaled


def _resized(alpha: NDArray[np.float32], size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Area averaging along axes that shrink, half-pixel bilinear along axes that grow."""
    height, width = size_hw
    smaller = (min(width, alpha.shape[1]), min(height, alpha.shape[0]))
    if smaller != alpha.shape[::-1]:
        alpha = cv2.resize(alpha, smaller, interpolation=cv2.INTER_AREA)
    resized: NDArray[np.float32] = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized


def _resized_aligned(alpha: NDArray[np.float32], size_hw: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear with the centres of the corner pixels aligned, as in torch's `interpolate(align_corners=True)`."""
    left, right, towards_right = _neighbours(alpha.shape[1], size_hw[1])
    wide = alpha[:, left] * (1 - towards_right) + alpha[:, right] * towards_right
    above, below, towards_below = _neighbours(alpha.shape[0], size_hw[0])
    resized = np.empty(size_hw, np.float32)
    for start in range(0, size_hw[0], _ROWS_AT_ONCE):  # strips: each temporary of 12 megapixels would take 50 MB
        rows = slice(start, start + _ROWS_AT_ONCE)
        weight = towards_below[rows, None]
        resized[rows] = wide[above[rows]] * (1 - weight) + wide[below[rows]] * weight
    return resized


def _neighbours(source: int, target: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of `target` positions: its two neighbours in `source`, and the weight of the second."""
    step = np.float32((source - 1) / (target - 1)) if target > 1 else np.float32(0)
    position = np.arange(target, dtype=np.float32) * step
    first = np.minimum(position.astype(np.intp), source - 1)
    return first, np.minimum(first + 1, source - 1), position - first.astype(np.float32)


def to_uint8(alpha: NDArray[np.float32], *, reference: bool = False) -> NDArray[np.uint8]:
    """Converts `alpha` (H, W) in 0..1 to 0..255: rounded, or truncated like transparent-background for `reference`."""
    if reference:
        return (alpha * np.float32(255)).astype(np.uint8)
    rounded: NDArray[np.uint8] = cv2.convertScaleAbs(alpha, alpha=255)  # several times faster than multiplying
    return rounded
