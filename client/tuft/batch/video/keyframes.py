"""Less work for the network: between keyframes, alpha is carried with the motion, and its edges follow the colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from tuft.imaging import refine

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.batch.video.motion import Motion

# Every so many frames the network is asked in any case.
KEY_EVERY: Final = 8
# So is it where the carried frame differs from the real one: on average, or in the worst block, in levels.
_DIFFERENT: Final = 10.0
_BLOCK_DIFFERENT: Final = 40.0
_BLOCKS: Final = 16


def is_key(index: int, motion: Motion | None) -> bool:
    """Whether the network is asked for the frame `index`; `motion` leads to it from the frame before."""
    if motion is None or index % KEY_EVERY == 0:
        return True
    residual = motion.residual
    blocks = cv2.resize(residual, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
    return bool(residual.mean() > _DIFFERENT or blocks.max() > _BLOCK_DIFFERENT)


def tracked(alpha: NDArray[np.float32], motion: Motion, size: int, refinement: str) -> NDArray[np.float32]:
    """Alpha of the frame before, carried into this one; its edges follow this one's colours.

    Args:
        alpha: (H, W) float32 in 0..1, of the frame before.
        motion: From the frame before.
        size: The network's working size in pixels.
        refinement: `none` leaves the edges as they were carried.

    Returns:
        (H, W) float32 in 0..1.
    """
    carried = motion.from_before(alpha)
    return carried if refinement == "none" else refine.refine_alpha(motion.after, carried, size)
