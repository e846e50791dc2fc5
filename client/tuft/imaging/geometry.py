"""Rectangles of pixels, and where a photograph lies in the network's square."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tuft.presets import Resize


class Box(NamedTuple):
    """A rectangle of pixels; it may reach beyond the photograph.

    Attributes:
        left: Of its first column.
        top: Of its first row.
        width: Columns.
        height: Rows.
    """

    left: int
    top: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """The box as an index into an array: rows, columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Geometry:
    """Where a photograph lies in the network's square.

    Attributes:
        photo_hw: Height and width of the photograph in pixels.
        size: Side of the square, S, in pixels.
        box_hw: Height and width of the photograph inside the square.
        offset_yx: Top and left of that box.
    """

    photo_hw: tuple[int, int]
    size: int
    box_hw: tuple[int, int]
    offset_yx: tuple[int, int] = (0, 0)

    @property
    def box(self) -> tuple[slice, slice]:
        """The box as an index into the square: rows, columns."""
        (top, left), (height, width) = self.offset_yx, self.box_hw
        return slice(top, top + height), slice(left, left + width)


def geometry_of(photo_hw: tuple[int, int], size: int, resize: Resize) -> Geometry:
    """Where a photograph of `photo_hw` (height, width) pixels goes in a square of side `size`.

    `static` squashes it to the whole square. `dynamic` keeps its aspect ratio: its long side becomes `size`, even if
    that enlarges it, and it is centred.
    """
    if resize == "static":
        return Geometry(photo_hw, size, (size, size))
    long_side = max(photo_hw)
    height, width = (max(1, round(side * size / long_side)) for side in photo_hw)
    return Geometry(photo_hw, size, (height, width), ((size - height) // 2, (size - width) // 2))
