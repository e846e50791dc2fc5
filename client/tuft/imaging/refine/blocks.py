"""Square blocks of a picture, gathered into arrays that fit the processor's cache.

What changes along an edge is a small part of a photograph. Gathered block by block, it is contiguous: arithmetic is as
fast as the processor allows, and nothing else is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.lib.stride_tricks import as_strided

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Pixel = TypeVar("Pixel", np.uint8, np.float32)

# About the side of a block in pixels, and the number of pixels that are computed at once.
_SIDE: Final = 16
_AT_ONCE: Final = 1 << 16
# Multiplications of a matrix product that OpenBLAS computes in the calling thread; its own would compete with ours.
_ONE_THREAD: Final = 1 << 18


def block_side(cell: int) -> int:
    """The side of blocks that consist of whole cells, in pixels."""
    return cell * max(1, _SIDE // cell)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Some blocks of a picture.

    Attributes:
        size_hw: Height and width of the picture; blocks may overhang it below and to the right.
        side: Side of a block in pixels.
        rows: intp (n,), by block, in blocks.
        columns: intp (n,), by block, in blocks.
    """

    size_hw: tuple[int, int]
    side: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]

    @classmethod
    def touching(cls, cells: NDArray[np.bool_], cell: int, side: int, size_hw: tuple[int, int]) -> Blocks:
        """All blocks in which `cells`, the marked ones of a grid over the picture, has any.

        Args:
            cells: (h, w).
            cell: Their side in pixels.
            side: A multiple of `cell`.
            size_hw: Height and width of the picture.
        """
        across = side // cell
        overhang = [(0, -length % across) for length in cells.shape]
        marked = np.pad(cells, overhang)
        marked = np.logical_or.reduce(marked.reshape(-1, across, marked.shape[1]), axis=1)
        marked = np.logical_or.reduce(marked.reshape(len(marked), -1, across), axis=2)
        return cls(size_hw, side, *np.nonzero(marked))

    def __len__(self) -> int:
        return len(self.rows)

    def cropped(self, margin_px: int) -> tuple[Blocks, tuple[slice, slice]]:
        """The same blocks of a part of the picture, which reaches `margin_px` beyond them, and where that part is."""
        reach = -(-margin_px // self.side)
        first = [max(0, int(places.min()) - reach) for places in (self.rows, self.columns)]
        rows, columns = (
            slice(start * self.side, min(length, (int(places.max()) + 1 + reach) * self.side))
            for start, places, length in zip(first, (self.rows, self.columns), self.size_hw, strict=True)
        )
        size_hw = (rows.stop - rows.start, columns.stop - columns.start)
        return Blocks(size_hw, self.side, self.rows - first[0], self.columns - first[1]), (rows, columns)

    def of_cells(self, cells: NDArray[Any], cell: int) -> Blocks:
        """The same blocks of the picture's grid `cells` (h, w), whose cells have a side of `cell` pixels."""
        return Blocks((cells.shape[0], cells.shape[1]), self.side // cell, self.rows, self.columns)

    def _inside(self, margin: int = 0) -> NDArray[np.bool_]:
        """Which blocks do not overhang the picture, nor do their surroundings of this width."""
        inside = np.ones(len(self), np.bool_)
        for places, length in zip((self.rows, self.columns), self.size_hw, strict=True):
            first = places * self.side
            inside &= (first >= margin) & (first + self.side + margin <= length)
        return inside

    def batches(self, margin: int = 0) -> Iterator[Blocks]:
        """These blocks in groups that fit the processor's cache.

        Args:
            margin: Width of the surroundings that are gathered with each block.
        """
        inside = self._inside(margin)
        length = max(1, _AT_ONCE // (self.side + 2 * margin) ** 2)
        for group in (np.flatnonzero(inside), np.flatnonzero(~inside)):
            for start in range(0, len(group), length):
                yield self.chosen(group[start : start + length])

    def chosen(self, which: NDArray[Any]) -> Blocks:
        """Those blocks, by their indices or by a mask."""
        return Blocks(self.size_hw, self.side, self.rows[which], self.columns[which])

    def of(self, picture: NDArray[Pixel]) -> NDArray[Pixel]:
        """The blocks of `picture` (H, W) or (H, W, C): (n, side, side) or with C channels; its edge is repeated."""
        if not self._are_plain(picture):
            rows, columns = self._pixels()
            return picture[rows, columns]
        side, channels = self.side, picture.shape[2:]
        spans = _spans_of(picture, side)[self._span_indices()]
        return spans.view(picture.dtype).reshape(len(self), side, side, *channels)

    def put(self, picture: NDArray[Pixel], values: NDArray[Pixel]) -> None:
        """Writes `values`, as `of` returns them, into `picture`."""
        if not self._are_plain(picture):
            rows, columns = (index[self._pixels_inside()] for index in np.broadcast_arrays(*self._pixels()))
            picture[rows, columns] = values[self._pixels_inside()]
        else:
            spans = _spans_of(picture, self.side)
            rows = np.ascontiguousarray(values).reshape(len(self), self.side, -1)
            spans[self._span_indices()] = rows.view(spans.dtype)[..., 0]

    def _are_plain(self, picture: NDArray[Any]) -> bool:
        """Whether each row of a block is a contiguous part of memory, and inside the picture."""
        return bool(picture[:1].flags.c_contiguous and self._inside().all())

    def _span_indices(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        rows = self.rows[:, None] * self.side + np.arange(self.side)
        return rows, np.broadcast_to(self.columns[:, None], rows.shape)

    def _pixels(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows (n, side, 1) and columns (n, 1, side) of all pixels, those beyond the picture moved to its edge."""
        within = np.arange(self.side)
        rows = np.minimum(self.rows[:, None] * self.side + within, self.size_hw[0] - 1)
        columns = np.minimum(self.columns[:, None] * self.side + within, self.size_hw[1] - 1)
        return rows[:, :, None], columns[:, None, :]

    def _pixels_inside(self) -> NDArray[np.bool_]:
        """(n, side, side): which pixels are in the picture."""
        within = np.arange(self.side)
        rows = self.rows[:, None] * self.side + within < self.size_hw[0]
        columns = self.columns[:, None] * self.side + within < self.size_hw[1]
        return rows[:, :, None] & columns[:, None, :]


def _spans_of(picture: NDArray[Any], side: int) -> NDArray[Any]:
    """A view of the picture (H, W, ...) as (H, W // side) spans of `side` pixels, each one element of raw bytes."""
    pixel = picture.strides[1]
    shape, strides = (picture.shape[0], picture.shape[1] // side, side * pixel), (picture.strides[0], side * pixel, 1)
    return as_strided(picture.view(np.uint8), shape, strides).view(f"V{side * pixel}")[..., 0]


class Enlarged:
    """Planes of cells, bilinearly interpolated at the pixels of blocks.

    In blocks of whole cells, interpolation is the same linear map of the cells in and around each block.

    Args:
        planes: Each float32 (h, w), on a grid over the picture.
        cell: Side of a cell in pixels.
        side: Side of the blocks in pixels, a multiple of `cell`.
    """

    def __init__(self, planes: Sequence[NDArray[np.float32]], cell: int, side: int) -> None:
        self._across = side // cell
        overhang = [(1, 1 + -length % self._across) for length in planes[0].shape]
        self._planes = [np.pad(plane, overhang, mode="edge") for plane in planes]
        self._stride = self._planes[0].shape[1]
        near = np.arange(self._across + 2)
        self._near = (near[:, None] * self._stride + near).ravel()
        weights = _interpolation(cell, self._across)
        self._weights = np.kron(weights, weights)  # (cells around a block, pixels of a block)
        self._rows_at_once = max(1, _ONE_THREAD // self._weights.size)

    def at(self, blocks: Blocks) -> NDArray[np.float32]:
        """The planes at the pixels of `blocks`: float32 (p, n, side²)."""
        first = (blocks.rows * self._stride + blocks.columns) * self._across
        near = first[:, None] + self._near
        cells = np.stack([plane.take(near) for plane in self._planes]).reshape(-1, len(self._near))
        pixels = np.empty((len(cells), self._weights.shape[1]), np.float32)
        for start in range(0, len(cells), self._rows_at_once):
            rows = slice(start, start + self._rows_at_once)
            np.matmul(cells[rows], self._weights, out=pixels[rows])
        return pixels.reshape(len(self._planes), len(blocks), -1)


def _interpolation(cell: int, across: int) -> NDArray[np.float32]:
    """The weight of each of a row of cells, one more on each side, at each pixel: float32 (across + 2, across · cell).

    Values are those of the cells' centres.
    """
    places = (np.arange(across * cell) + 0.5) / cell + 0.5
    distances = np.abs(np.arange(across + 2)[:, None] - places)
    return np.maximum(1 - distances, 0).astype(np.float32)
