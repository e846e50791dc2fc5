"""The band: where the network's alpha is uncertain, and edges are worth looking up in the photograph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Alpha up to LOW is surely background, above HIGH surely foreground.
LOW: Final = 0.1
HIGH: Final = 0.9


def is_certain(alpha: NDArray[np.float32]) -> bool:
    """Whether all of `alpha` is sure background, or all of it sure foreground: there is no band then."""
    return bool(alpha.max() <= LOW or alpha.min() > HIGH)


def band_weight(alpha: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """1 in the band, falling to 0 around it, so that nothing shows where it ends.

    The band is dilate(alpha > LOW) without erode(alpha > HIGH), with a disk: all pixels within `radius` of an
    uncertain one, or of an edge between sure foreground and sure background. It is blurred over (2·radius + 1)²
    pixels: what is farther than 2·radius from all of these has weight 0.

    Args:
        alpha: float32 (H, W), 0..1.
        radius: In pixels. The network places an edge to about one of its own pixels, so as many pixels of the
            photograph as one of the network's covers.

    Returns:
        float32 (H, W), 0..1.
    """
    side = 2 * radius + 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    perhaps = cv2.dilate((alpha > LOW).view(np.uint8), disk)
    surely = cv2.erode((alpha > HIGH).view(np.uint8), disk)
    weight: NDArray[np.float32] = cv2.blur((perhaps > surely).astype(np.float32), (side, side))
    return weight
