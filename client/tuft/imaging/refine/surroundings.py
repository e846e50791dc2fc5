"""Blocks of a grid with the cells around them, and window means in many blocks at once.

A window operator needs the surroundings of a block. Gathered with them, the blocks are one long array: calls of NumPy
are few, and their time is that of the arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tuft.imaging.refine.blocks import Blocks

    Plane = NDArray[np.float32]  # (h, w)
    Planes = NDArray[np.float32]  # (p, n, s, s)


class Surroundings:
    """Planes of a grid, to be gathered in blocks with a margin.

    Args:
        planes: Each float32 or uint8 (h, w), contiguous.
        side: Side of the blocks in cells.
        margin: Cells around each block.
        mode: How planes are mirrored beyond the picture, as in `numpy.pad`.
    """

    def __init__(
        self, planes: Sequence[Plane | NDArray[np.uint8]], side: int, margin: int, mode: Literal["reflect", "symmetric"]
    ) -> None:
        self._planes, self._side, self._margin = planes, side, margin
        self._whole = side + 2 * margin
        # The place of every row and column, also of those beyond the picture.
        self._rows, self._columns = (
            np.pad(np.arange(length), (margin, margin + side), mode=mode) for length in planes[0].shape
        )

    def of(self, blocks: Blocks) -> Planes:
        """The planes in `blocks` with their margins: float32 (p, n, side + 2·margin, side + 2·margin)."""
        gathered = np.empty((len(self._planes), len(blocks), self._whole, self._whole), np.float32)
        within = np.arange(self._whole)
        rows = self._rows[blocks.rows[:, None] * self._side + within]
        columns = self._columns[blocks.columns[:, None] * self._side + within]
        # Mirrored places do not ascend.
        plain = (np.diff(rows) == 1).all(axis=1) & (np.diff(columns) == 1).all(axis=1)
        for plane, blocks_of_it in zip(self._planes, gathered, strict=True):
            if plain.all():
                windows = sliding_window_view(plane, (self._whole, self._whole))
                blocks_of_it[...] = windows[rows[:, 0], columns[:, 0]]
            else:
                blocks_of_it[...] = plane[rows[:, :, None], columns[:, None, :]]
        return gathered


def box_means(planes: Planes, radius: int) -> Planes:
    """The means of (2·radius + 1)² cells, in planes (..., s, s).

    Those within `radius` of an edge of a plane are of no use: windows run on in the next row, and in the next plane.
    """
    side, count = planes.shape[-1], 2 * radius + 1
    sums = _run_sums(_run_sums(planes.ravel(), count, 1), count, side)
    means = np.zeros_like(planes)
    first = radius * (side + 1)
    np.multiply(sums, np.float32(1 / count**2), out=means.reshape(-1)[first : first + len(sums)])
    return means


def _run_sums(values: Planes, count: int, stride: int) -> Planes:
    """From each place on, the sum of `count` values at a distance of `stride`, with few additions: runs of 2, 4, ..."""
    length = len(values) - (count - 1) * stride
    total, done, run, width = np.zeros(1, np.float32), 0, values, 1
    while done < count:
        if count & width:
            part = run[done * stride : done * stride + length]
            total = total + part if done else part
            done += width
        if done < count:
            run = run[: -width * stride] + run[width * stride :]
            width *= 2
    return total
