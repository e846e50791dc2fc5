"""From a photograph to the square picture that the network sees, and how to come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tuft.geometry import Geometry, geometry_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.presets import Resize


def network_image(rgb: NDArray[np.uint8], size: int, resize: Resize) -> tuple[NDArray[np.uint8], Geometry]:
    """The network's input for a photograph, and the geometry to come back by.

    The one resize of the product: Pillow's antialiased bilinear, which is what the published weights were used with
    (`static_resize` in transparent-background 1.3.4). What a `dynamic` picture leaves of the square repeats its
    edge pixels, so that no artificial contour appears.

    Args:
        rgb: uint8 (H, W, 3), sRGB.
        size: Side S of the network's square in pixels.
        resize: `static` or `dynamic`, see `geometry_of`.

    Returns:
        uint8 (S, S, 3), C-contiguous, and the geometry.
    """
    geometry = geometry_of((rgb.shape[0], rgb.shape[1]), size, resize)
    height, width = geometry.box_hw
    box = np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR))
    (top, left), (below, right) = geometry.offset_yx, (size - height, size - width)
    margins = ((top, below - top), (left, right - left), (0, 0))
    return np.ascontiguousarray(np.pad(box, margins, mode="edge")), geometry
