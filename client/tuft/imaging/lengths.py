"""Lengths as they are written: margins, regions, scales and positions.

They are written as in CSS and as remove.bg's clients send them: `30px`, `10%`, or a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from numbers import Real
from typing import Final, NamedTuple

from tuft.errors import ImageError, OptionError
from tuft.imaging.geometry import Box
from tuft.text import shown

# One length, or several: text separated by spaces, or a sequence of numbers (pixels) and texts.
Lengths = str | float | Sequence[str | float]

MAX_MARGIN_SHARE: Final = 0.5
MAX_MARGIN_PX: Final = 500
MIN_SCALE: Final = 0.1

_LENGTH: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(px|%)?")
_SHOWN_CHARACTERS: Final = 60


class Length(NamedTuple):
    """A number of pixels, or a share of a whole.

    Attributes:
        value: Pixels, or 0..1.
        relative: Whether it is a share.
    """

    value: float
    relative: bool

    def pixels(self, whole_px: int) -> float:
        """The length in pixels, where it is a share of `whole_px`."""
        return self.value * whole_px if self.relative else self.value


class Margin(NamedTuple):
    """The margins of a crop, each in pixels or relative to the subject's height or width."""

    top: Length
    right: Length
    bottom: Length
    left: Length


class Region(NamedTuple):
    """A rectangle of a photograph from (x1, y1) to (x2, y2), in pixels or relative to its width and height."""

    x1: Length
    y1: Length
    x2: Length
    y2: Length

    def box(self, size_hw: tuple[int, int]) -> Box:
        """The region in a photograph of `size_hw` pixels: all pixels that it touches.

        Raises:
            ImageError: It reaches beyond the photograph, or it has no pixel of it.
        """
        height, width = size_hw
        x1, x2 = (length.pixels(width) for length in (self.x1, self.x2))
        y1, y2 = (length.pixels(height) for length in (self.y1, self.y2))
        if x2 > width or y2 > height:
            raise ImageError(f"The region reaches beyond the picture of {width} × {height} pixels: make it smaller.")
        if x1 >= x2 or y1 >= y2:
            raise ImageError(f"The region has no pixel of the picture of {width} × {height} pixels: make it larger.")
        left, top = math.floor(x1), math.floor(y1)
        return Box(left, top, math.ceil(x2) - left, math.ceil(y2) - top)


def parse_margin(margin: Lengths) -> Margin:
    """Parses one margin for all sides, two (top and bottom, left and right) or four (top, right, bottom, left).

    Raises:
        OptionError: It is not that, or larger than half the subject or 500 pixels.
    """
    expected = "1, 2 or 4 values such as 10% or 30px, at most 50% or 500px"
    lengths = _lengths(margin, (1, 2, 4), f"margin {_quoted(margin)}", expected)
    for length in lengths:
        if length.value > (MAX_MARGIN_SHARE if length.relative else MAX_MARGIN_PX):
            raise OptionError(f"The margin {_quoted(margin)} is too large: give {expected}.")
    top, right, bottom, left = (lengths * (4 // len(lengths)))[:4]
    return Margin(top, right, bottom, left)


def parse_region(region: Lengths) -> Region:
    """Parses a region of interest, `x1 y1 x2 y2`.

    Raises:
        OptionError: It is not that, or it is empty in every photograph.
    """
    expected = "x1 y1 x2 y2, each such as 10% or 30px, with x1 < x2 and y1 < y2"
    parsed = Region(*_lengths(region, (4,), f"region {_quoted(region)}", expected))
    for first, end in ((parsed.x1, parsed.x2), (parsed.y1, parsed.y2)):
        if first.relative == end.relative and first.value >= end.value:
            raise OptionError(f"The region {_quoted(region)} is empty: give {expected}.")
    return parsed


def parse_scale(scale: str | float) -> float | None:
    """Parses how much of the frame the subject shall fill: a share of 0.1..1; None for `original`.

    Args:
        scale: `original`, `10%`..`100%`, or a float of 0.1..1.

    Raises:
        OptionError: It is not that.
    """
    if scale == "original":
        return None
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)%", scale.strip()) if isinstance(scale, str) else None
    share = float(found[1]) / 100 if found else scale
    if isinstance(share, bool) or not isinstance(share, Real) or not MIN_SCALE <= share <= 1:
        raise OptionError(f"There is no scale {_quoted(scale)}: give original, or 10% to 100%.")
    return float(share)


def parse_position(position: Lengths) -> tuple[float, float] | None:
    """Parses a position, horizontal and vertical shares of the free space, 0..1; None for `original`.

    Args:
        position: `original`, `center`, one percentage for both axes, or two; a number counts as a percentage.

    Raises:
        OptionError: It is not that.
    """
    if position == "original":
        return None
    if position == "center":
        return 0.5, 0.5
    expected = "original, center, or one or two values from 0% to 100%"
    lengths = _lengths(position, (1, 2), f"position {_quoted(position)}", expected, unit="%")
    if not all(length.relative and length.value <= 1 for length in lengths):
        raise OptionError(f"There is no position {_quoted(position)}: give {expected}.")
    return lengths[0].value, lengths[-1].value


def _lengths(written: Lengths, counts: tuple[int, ...], what: str, expected: str, *, unit: str = "px") -> list[Length]:
    """The lengths that are written, as many as one of `counts` says; `unit` is that of plain numbers."""
    parts = written.split() if isinstance(written, str) else written if isinstance(written, Sequence) else [written]
    found = [None if isinstance(part, bool) else _LENGTH.fullmatch(str(part)) for part in parts[:5]]
    lengths = [_length(match, unit) for match in found if match]
    if len(lengths) != len(parts) or len(lengths) not in counts:
        raise OptionError(f"There is no {what}: give {expected}.")
    return lengths


def _length(match: re.Match[str], unit: str) -> Length:
    relative = (match[2] or unit) == "%"
    return Length(float(match[1]) / (100 if relative else 1), relative)


def _quoted(written: object) -> str:
    return shown(repr(written), _SHOWN_CHARACTERS)
