"""A graph whose stage at full resolution is computed in tiles, and only in those that need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tuft_runtime.graph import Graph
from tuft_runtime.seams import MARGIN_PX, TILES_PER_BATCH, tile_px

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tuft_runtime.program import Interrupt, Program

# For networks without blending: the stage is skipped where the saliency is below 10 or above 90 % without it. That
# moved no photograph's or scene's error by more than half a percent (benchmarks/network.py).
CERTAIN_LOGIT: Final = 2.2


class TiledGraph(Graph):
    """The trunk of a graph, and its stage at full resolution in tiles where it is needed.

    Where pyramids are blended, EDGE says where the stage counts, and the result is that of the full graph. Without
    blending the stage counts everywhere, and is skipped where the saliency is certain without it.

    Args:
        trunk: The graph without the stage: from the image to FEATURES, KEY, VALUE, COARSE and, with blending, EDGE.
        stage: The stage for TILES_PER_BATCH tiles: from FEATURES, KEY and VALUE to DETAIL.
    """

    def __init__(self, trunk: Program, stage: Program) -> None:
        self._trunk, self._stage = trunk, stage

    def _infer(self, images: NDArray[np.uint8], interrupt: Interrupt) -> NDArray[np.float32]:
        features, key, value, coarse, *edge = self._trunk.run([images], interrupt)
        weight = edge[0][0, 0] if edge else np.ones_like(coarse[0, 0])
        needed = weight != 0 if edge else np.abs(coarse[0, 0]) < CERTAIN_LOGIT
        logits = coarse[0, 0].copy()
        side_px = tile_px(len(logits))
        corners = needed_tiles(needed, side_px)
        for first in range(0, len(corners), TILES_PER_BATCH):
            batch = corners[first : first + TILES_PER_BATCH]
            details = self._detail(batch, side_px, [features, key, value], interrupt)
            for (y, x), detail in zip(batch, details, strict=False):
                inside = np.s_[y : y + side_px, x : x + side_px]
                logits[inside] += weight[inside] * detail
        return _sigmoid(logits)

    def _detail(
        self, corners: NDArray[np.intp], side_px: int, inputs: Sequence[NDArray[np.float32]], interrupt: Interrupt
    ) -> list[NDArray[np.float32]]:
        """The stage's result in up to TILES_PER_BATCH tiles, given by their corners (y, x): [side_px, side_px] each."""
        features, key, value = inputs
        window_px, size_px = side_px + 2 * MARGIN_PX, 2 * features.shape[-1]
        # At the image border a window is shifted inwards: there the stage pads it as it pads the whole image.
        windows = np.clip(corners - MARGIN_PX, 0, size_px - window_px)
        batch = np.zeros((TILES_PER_BATCH, features.shape[1], window_px // 2, window_px // 2), np.float32)
        for index, (y, x) in enumerate(windows // 2):
            batch[index] = features[0, :, y : y + window_px // 2, x : x + window_px // 2]
        (detail,) = self._stage.run([batch, key, value], interrupt)
        return [detail[index, 0, y : y + side_px, x : x + side_px] for index, (y, x) in enumerate(corners - windows)]


def needed_tiles(needed: NDArray[np.bool_], side_px: int) -> NDArray[np.intp]:
    """Corners (y, x) of the tiles of side `side_px` with any pixel of bool [S, S] set: [count, 2]."""
    count = len(needed) // side_px
    return np.argwhere(needed.reshape(count, side_px, count, side_px).any(axis=(1, 3))) * side_px


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    saliency: NDArray[np.float32] = 1 / (1 + np.exp(-np.clip(logits, -80, 80)))  # float32 overflows at exp(88)
    return saliency
