"""Tiles: large images in pieces, each with a halo of the surroundings that its result depends on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuft.imaging.pixels import THREADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Region = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """One tile of a picture, as indices of rows and columns.

    Attributes:
        inner: The tile itself, in the picture.
        outer: The tile with its halo, in the picture.
        within: The tile, in `outer`.
    """

    inner: Region
    outer: Region
    within: Region


def tiles(size_hw: tuple[int, int], side: int, halo: int = 0) -> Iterator[Tile]:
    """Covers a picture of `size_hw` with tiles of at most side² pixels, each with a halo clipped to the picture.

    Outer regions start at multiples of `side` minus the halo, or at 0. If both are multiples of a cell, the grid of
    every tile is aligned with that of the picture.
    """
    for top in range(0, size_hw[0], side):
        for left in range(0, size_hw[1], side):
            inner, outer, within = zip(
                _spans(top, size_hw[0], side, halo), _spans(left, size_hw[1], side, halo), strict=True
            )
            yield Tile(inner, outer, within)


def _spans(start: int, length: int, side: int, halo: int) -> tuple[slice, slice, slice]:
    stop = min(start + side, length)
    outer_start = max(0, start - halo)
    outer = slice(outer_start, min(stop + halo, length))
    return slice(start, stop), outer, slice(start - outer_start, stop - outer_start)


def for_each(work: Callable[[Tile], None], pieces: Iterable[Tile]) -> None:
    """Applies `work` to each tile in several threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(work, pieces):  # raises the exceptions of `work`
            pass
