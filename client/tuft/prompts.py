"""Prompts: what a caller points at, to say which subject of a photograph is to be cut out.

All coordinates are pixels of the upright photograph, as `tuft.imaging.load_photo` returns it: x counts columns from the
left, y rows from the top, and 0 is the outer edge of the first pixel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from tuft.errors import PromptError
from tuft.text import shown

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

PointXY: TypeAlias = tuple[float, float]

# SAM 2 was trained with a few clicks; more of them cost time and add nothing.
MAX_POINTS: Final = 64

_NUMBER: Final = r"(\d{1,6}(?:\.\d{1,6})?)"
_POINT: Final = re.compile(rf"{_NUMBER}[\s,]+{_NUMBER}")
_BOX: Final = re.compile(r"[\s,]+".join([_NUMBER] * 4))
_NEEDS: Final = "give pixels of the picture, from 0"


@dataclass(frozen=True)
class Points:
    """Pixels on the subject, and pixels beside it. A model that takes points must be served, see `docs/prompts.md`.

    Attributes:
        subject_xy: (x, y) of at least one pixel on what is to be cut out.
        background_xy: (x, y) of pixels on what is not.

    Raises:
        PromptError: There is no point on the subject, there are more than `MAX_POINTS`, or one is no pixel.
    """

    subject_xy: Sequence[PointXY]
    background_xy: Sequence[PointXY] = ()

    def __post_init__(self) -> None:
        for name in ("subject_xy", "background_xy"):
            object.__setattr__(self, name, _points(getattr(self, name)))
        if not self.subject_xy:
            raise PromptError("No point lies on the subject: give at least one.")
        if len(self.subject_xy) + len(self.background_xy) > MAX_POINTS:
            raise PromptError(f"There are more than {MAX_POINTS} points: give fewer.")


@dataclass(frozen=True)
class Box:
    """A rectangle that holds the subject as tightly as possible.

    Attributes:
        x1: Its left edge.
        y1: Its top edge.
        x2: Its right edge, above `x1`.
        y2: Its bottom edge, above `y1`.

    Raises:
        PromptError: It is empty, or an edge is no number.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        for name in ("x1", "y1", "x2", "y2"):
            object.__setattr__(self, name, _coordinate(getattr(self, name)))
        if self.x1 >= self.x2 or self.y1 >= self.y2:
            raise PromptError(
                f"The box {self} is empty: its left edge must lie before its right one, and its top above its bottom."
            )

    def __str__(self) -> str:
        return " ".join(f"{edge:g}" for edge in (self.x1, self.y1, self.x2, self.y2))


@dataclass(frozen=True, eq=False)
class Mask:
    """A rough mask of the subject, from any other program; the network draws its edge.

    Attributes:
        inside: (H, W) in the photograph's size: bool, uint8 where 255 is inside, or float in 0..1. Kept as bool.

    Raises:
        PromptError: It is no such array, or nothing is inside.
    """

    inside: NDArray[np.bool_]

    def __post_init__(self) -> None:
        given: NDArray[Any] = np.asarray(self.inside)
        if given.ndim != 2 or given.dtype.kind not in "buf":
            raise PromptError(
                f"A mask has the shape (H, W) and holds bool, uint8 or float, not {given.dtype} {list(given.shape)}: "
                "give one value for each pixel of the picture."
            )
        half = np.iinfo(given.dtype).max / 2 if given.dtype.kind == "u" else 0.5
        inside = given > half
        if not inside.any():
            raise PromptError("The mask is empty: mark the subject in it.")
        inside.flags.writeable = False
        object.__setattr__(self, "inside", inside)


Prompt: TypeAlias = Points | Box | Mask


@dataclass(frozen=True, eq=False)
class PromptSet:
    """All that one request says of its subject.

    Attributes:
        points: At most one set of points.
        box: At most one box.
        mask: Alone, or None.
    """

    points: Points | None = None
    box: Box | None = None
    mask: Mask | None = None

    def require_within(self, size_hw: tuple[int, int]) -> None:
        """Checks that everything lies in a photograph.

        Args:
            size_hw: Its height and width in pixels.

        Raises:
            PromptError: Something lies outside of it, or the mask has another size.
        """
        height, width = size_hw
        size = f"the picture of {width} × {height} pixels"
        points = () if self.points is None else (*self.points.subject_xy, *self.points.background_xy)
        for x, y in points:
            if x >= width or y >= height:
                raise PromptError(f"The point {x:g} {y:g} lies outside of {size}: give one inside.")
        if self.box is not None and (self.box.x2 > width or self.box.y2 > height):
            raise PromptError(f"The box {self.box} reaches beyond {size}: make it smaller.")
        if self.mask is not None and self.mask.inside.shape != size_hw:
            given = " × ".join(map(str, self.mask.inside.shape[::-1]))
            raise PromptError(f"The mask has {given} pixels and {size} others: give one of the same size.")


def prompt_set(prompt: Prompt | Sequence[Prompt]) -> PromptSet:
    """What a request says of its subject, from one prompt or several.

    Raises:
        PromptError: It is no prompt, two are of one kind, or a mask is not alone.
    """
    given = (prompt,) if isinstance(prompt, Points | Box | Mask) else prompt
    if not isinstance(given, Sequence) or not given or not all(isinstance(one, Points | Box | Mask) for one in given):
        raise PromptError(f"There is no prompt {shown(repr(prompt))}: give tuft.Points, tuft.Box, both, or tuft.Mask.")
    kinds = {type(one): one for one in given}
    if len(kinds) < len(given):
        raise PromptError("Two prompts are of one kind: give all points in one tuft.Points, and one box.")
    if Mask in kinds and len(kinds) > 1:
        raise PromptError("A mask says already which pixels are meant: leave out the box and the points.")
    return PromptSet(kinds.get(Points), kinds.get(Box), kinds.get(Mask))  # type: ignore[arg-type]


def parse_point(text: str) -> PointXY:
    """Parses a point, `x y` in pixels.

    Raises:
        PromptError: It is not that.
    """
    match = _POINT.fullmatch(text.strip())
    if match is None:
        raise PromptError(f"There is no point {shown(repr(text))}: write x y, such as 320 200.")
    return float(match[1]), float(match[2])


def parse_box(text: str) -> Box:
    """Parses a box, `x1 y1 x2 y2` in pixels.

    Raises:
        PromptError: It is not that, or it is empty.
    """
    match = _BOX.fullmatch(text.strip())
    if match is None:
        raise PromptError(f"There is no box {shown(repr(text))}: write x1 y1 x2 y2, such as 40 60 320 200.")
    return Box(*map(float, match.groups()))


def parse_points(text: str) -> Points:
    """Parses points, `x y` each and separated by semicolons; those beside the subject follow the word `not`.

    Raises:
        PromptError: It is not that, or none lies on the subject.
    """
    subject: list[PointXY] = []
    background: list[PointXY] = []
    for part in filter(None, map(str.strip, text.split(";"))):
        beside = part.lower().startswith("not ")
        (background if beside else subject).append(parse_point(part[4:] if beside else part))
    return Points(subject, background)


def _points(given: object) -> tuple[PointXY, ...]:
    try:
        pairs = [tuple(pair) for pair in given]  # type: ignore[attr-defined]
    except TypeError:
        pairs = [()]
    if any(len(pair) != 2 for pair in pairs):
        raise PromptError(f"{shown(repr(given))} are no points: give a list of (x, y), such as [(320, 200)].")
    return tuple((_coordinate(x), _coordinate(y)) for x, y in pairs)


def _coordinate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise PromptError(f"There is no coordinate {shown(repr(value))}: {_NEEDS}.")
    if value < 0:
        raise PromptError(f"The coordinate {value:g} lies outside of every picture: {_NEEDS}.")
    return float(value)
