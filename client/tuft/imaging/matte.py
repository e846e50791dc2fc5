"""The result of the imaging stages: alpha and the subject's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Matte(NamedTuple):
    """Alpha and foreground of a photograph.

    Attributes:
        alpha: (H, W) uint8; 0 is background, 255 is subject.
        foreground: (H, W, 3) uint8 sRGB, the subject's colours; the photograph's own array if they were not estimated.
        agreement: How well the network and a prompt agree, 0..1; None without a prompt.
    """

    alpha: NDArray[np.uint8]
    foreground: NDArray[np.uint8]
    agreement: float | None = None
