"""Alpha moved by colour models, at every pixel of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuft.imaging.refine.blocks import Blocks, block_side
from tuft.imaging.refine.linear_models import moved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.imaging.refine.linear_models import ColourModels


def moved_everywhere(models: ColourModels, alpha: NDArray[np.float32], photo: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`alpha` (H, W) moved towards the models' estimate, by their trust."""
    size_hw, side = (alpha.shape[0], alpha.shape[1]), block_side(models.cell)
    result, models_at = np.full_like(alpha, np.nan), models.in_blocks(side)
    for blocks in Blocks.touching(np.ones(size_hw, np.bool_), 1, side, size_hw).batches():
        before = blocks.of(alpha).reshape(len(blocks), -1)
        blocks.put(result, moved(before, blocks.of(photo), models_at.at(blocks)).reshape(-1, side, side))
    return result
