"""Ways to damage an alpha on purpose, to test that the quality score falls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


def _blurred(alpha: Pixels) -> Pixels:
    blurred: Pixels = cv2.GaussianBlur(alpha, (0, 0), max(alpha.shape) * 0.008)
    return blurred


def _shifted(alpha: Pixels) -> Pixels:
    px = max(alpha.shape) * 0.02
    move = np.array([[1, 0, px], [0, 1, px]], np.float32)
    shifted: Pixels = cv2.warpAffine(alpha, move, alpha.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return shifted


def _faded(alpha: Pixels) -> Pixels:
    faded: Pixels = cv2.convertScaleAbs(alpha, alpha=0.7)
    return faded


def _hazy(alpha: Pixels) -> Pixels:
    return np.maximum(alpha, np.uint8(40))


def _grown(alpha: Pixels) -> Pixels:
    side = max(round(max(alpha.shape) * 0.02), 1)
    grown: Pixels = cv2.dilate(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return grown


def _cut_in_half(alpha: Pixels) -> Pixels:
    cut = alpha.copy()
    weight = np.cumsum(alpha.sum(axis=0, dtype=np.float64))
    cut[:, int(np.searchsorted(weight, weight[-1] / 2)) :] = 0
    return cut


def _hard(alpha: Pixels) -> Pixels:
    return np.where(alpha > 127, np.uint8(255), np.uint8(0))


def _with_a_disk_too_many(alpha: Pixels) -> Pixels:
    side = max(alpha.shape)
    more: Pixels = cv2.circle(alpha.copy(), (side // 12, side // 12), side // 14, 255, -1)
    return more


DAMAGES: Final[Mapping[str, Callable[[Pixels], Pixels]]] = {
    "blank": np.zeros_like,
    "all opaque": lambda alpha: np.full_like(alpha, 255),
    "faded to 70 %": _faded,
    "haze of 16 %": _hazy,
    "blurred by 0.8 % of the side": _blurred,
    "shifted by 2 % of the side": _shifted,
    "grown by 1 % of the side": _grown,
    "cut in half": _cut_in_half,
    "a disk too many": _with_a_disk_too_many,
    "hard edges": _hard,
}
