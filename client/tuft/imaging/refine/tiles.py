"""Tiles: large pictures in pieces, each with as much of its surroundings as its result depends on."""

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
    """One piece of a picture, as indices of rows and columns.

    Attributes:
        inner: The piece itself, in the picture.
        outer: The piece with its halo, in the picture.
        within: The piece, in `outer`.
    """

    inner: Region
    outer: Region
    within: Region


def tiles(size_hw: tuple[int, int], side: int, halo: int = 0) -> Iterator[Tile]:
    """Pieces of at most side² pixels that cover a picture of `size_hw`, each with a halo where the picture has one.

    Outer regions start at multiples of `side` less the halo, or at 0: with both a multiple of some cell, every
    tile's grid of cells is the whole picture's.
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
    """Do `work` on every piece, several at a time."""
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(work, pieces):  # to raise what they raise
            pass
