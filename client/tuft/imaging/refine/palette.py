"""The colours of the subject and of its background, over a whole picture: what a tile alone cannot know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Colours are counted in bins of 8 levels, 32 per channel.
_BITS: Final = 5
_SIDE: Final = 1 << _BITS
# About as many pixels are counted at most: the rows and columns of larger pictures are thinned out.
_PIXELS: Final = 250_000
# Alpha below it is certain background, above 1 minus it certain subject.
_CERTAIN: Final = np.float32(0.1)
# A bin counts as seen by chance up to this multiple of the mean.
_CHANCE: Final = 0.1


@dataclass(frozen=True, eq=False)
class Palette:
    """How likely the subject has a colour rather than the background.

    Attributes:
        table: uint8 (32768,), 0 is only the background's, 255 only the subject's, by bins of red, green and blue.
    """

    table: NDArray[np.uint8]

    @classmethod
    def of(cls, rgb: NDArray[np.uint8], alpha: NDArray[np.float32]) -> Palette:
        """Counts the colours of certain subject and of certain background.

        Args:
            rgb: uint8 (H, W, 3), the photograph.
            alpha: float32 (H, W), 0..1, approximate.
        """
        step = max(1, round((alpha.size / _PIXELS) ** 0.5))
        bins, share = _bins(rgb[::step, ::step]).ravel(), alpha[::step, ::step].ravel()
        subject = _density(bins, np.clip((share - 1 + _CERTAIN) / _CERTAIN, 0, 1))
        background = _density(bins, np.clip((_CERTAIN - share) / _CERTAIN, 0, 1))
        return cls(np.rint(255 * subject / (subject + background)).astype(np.uint8))

    def likelihood(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The table's values for the pixels of `rgb`, uint8 (h, w, 3): uint8 (h, w)."""
        return self.table[_bins(rgb)]


def _bins(rgb: NDArray[np.uint8]) -> NDArray[np.uint16]:
    red, green, blue = (np.right_shift(rgb[..., i], 8 - _BITS).astype(np.uint16) for i in range(3))
    bins: NDArray[np.uint16] = (red << np.uint16(2 * _BITS)) | (green << np.uint16(_BITS)) | blue
    return bins


def _density(bins: NDArray[np.uint16], weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """The blurred share of each bin, with a little of every colour."""
    counts = np.bincount(bins, weight, _SIDE**3).reshape(_SIDE, _SIDE, _SIDE)
    for axis in (0, 1, 2) * 2:
        padded = np.pad(counts, [(1, 1) if i == axis else (0, 0) for i in range(3)], mode="edge")
        first, middle, last = (padded.take(np.arange(_SIDE) + i, axis) for i in range(3))
        counts = (first + 2 * middle + last) / 4
    density: NDArray[np.float64] = counts.ravel() / max(counts.sum(), 1e-9) + _CHANCE / _SIDE**3
    return density
