"""The contents of a report: exhibits, each a stack of pictures of one scene with times and figures."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from PIL import Image

from tuft.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODES: Final = ("RGB", "L", "RGBA")
_QUALITY: Final = 90


class Focus(NamedTuple):
    """A detail of a picture: its centre as fractions of width and height, 0..1, and the magnification, 1 or more."""

    x: float
    y: float
    scale: float


@dataclass(frozen=True, eq=False)
class Reduced:
    """A reduced picture as a small encoded file.

    Attributes:
        webp: The contents of the file.
        mode: One of `MODES`.
        size: Width and height of the file in pixels.
        full_size: Width and height of the original picture in pixels.
    """

    webp: bytes = field(repr=False)
    mode: str
    size: tuple[int, int]
    full_size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Layer:
    """One picture of the scene.

    Attributes:
        name: Name in the page, such as `alpha`.
        picture: RGB (photograph, difference), L (alpha) or RGBA with straight alpha (cut-out, shown over a backdrop).
    """

    name: str
    picture: Image.Image | Reduced

    def __post_init__(self) -> None:
        if self.picture.mode not in MODES:
            raise OptionError(f"The layer {self.name!r} is {self.picture.mode}: convert it to RGB, L or RGBA.")

    @property
    def full_size(self) -> tuple[int, int]:
        """Width and height in pixels, before any reduction."""
        return self.picture.full_size if isinstance(self.picture, Reduced) else self.picture.size

    def reduced(self, long_side_px: int) -> Layer:
        """The layer as a small file of at most `long_side_px` a side; unchanged if it is one already."""
        if isinstance(self.picture, Reduced):
            return self
        return replace(self, picture=_reduced(self.picture, long_side_px))


@dataclass(frozen=True)
class Run:
    """One run from the photograph to a result.

    Attributes:
        name: Name, such as the preset; empty if there is only one run.
        milliseconds: From stages to the time spent in them, in order.
        note: Remark, such as the model that served.
        href: Path of the full-size file relative to the page; None if there is no file.
    """

    name: str
    milliseconds: Mapping[str, float]
    note: str = ""
    href: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "milliseconds", MappingProxyType(dict(self.milliseconds)))


@dataclass(frozen=True)
class Table:
    """A table above the exhibits.

    Attributes:
        title: The heading.
        columns: The columns' headings.
        rows: Cells as text, as many in each row as there are columns; the first one names the row.
        note: One sentence below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise OptionError(f"The rows of {self.title!r} have not as many cells as there are columns.")


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One scene with its pictures, runs and figures.

    Attributes:
        name: The heading.
        note: One sentence below the heading, such as the reason why there is no picture.
        layers: Pictures of the same size, with unique names.
        runs: Runs with their times and files.
        figures: From names of figures to their values as text.
        status: `pass` or `fail`, shown as a badge; None for no verdict.
        pair: Names of the layers shown left and right at first; by default the first layer and the last cut-out.
        focus: The detail shown at first; the whole picture by default.

    Raises:
        OptionError: Names repeat or are unknown, sizes differ, or the status or focus is invalid.
    """

    name: str
    note: str = ""
    layers: Sequence[Layer] = ()
    runs: Sequence[Run] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    status: Literal["pass", "fail"] | None = None
    pair: tuple[str, str] | None = None
    focus: Focus | tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        self._require_one_stack()
        if self.status not in ("pass", "fail", None):
            raise OptionError(f"There is no status {self.status!r}: give pass, fail or None.")
        if self.focus is not None and not _is_place(*self.focus):
            raise OptionError(f"There is no place {tuple(self.focus)}: give x and y in 0..1 and a scale from 1.")

    @property
    def shown(self) -> tuple[int, int]:
        """Indices of the layers shown left and right at first; (0, 0) without layers."""
        names = [layer.name for layer in self.layers]
        if self.pair is not None:
            return names.index(self.pair[0]), names.index(self.pair[1])
        cutouts = [index for index, layer in enumerate(self.layers) if layer.picture.mode == "RGBA"]
        return 0, cutouts[-1] if cutouts else max(len(names) - 1, 0)

    def reduced(self, long_side_px: int) -> Exhibit:
        """The exhibit with reduced pictures, small enough to keep thousands of them in memory."""
        return replace(self, layers=tuple(layer.reduced(long_side_px) for layer in self.layers))

    def _require_one_stack(self) -> None:
        names = [layer.name for layer in self.layers]
        if len(set(names)) < len(names):
            raise OptionError(f"Two layers of {self.name!r} have one name: {names}.")
        if len({layer.full_size for layer in self.layers}) > 1:
            raise OptionError(f"The layers of {self.name!r} differ in size: resize them to one.")
        if self.pair is not None and not set(self.pair) <= set(names):
            raise OptionError(f"{self.name!r} has no layers {self.pair}: choose from {names}.")


def _is_place(x: float, y: float, scale: float) -> bool:
    return 0 <= x <= 1 and 0 <= y <= 1 and 1 <= scale < float("inf")


def _reduced(picture: Image.Image, long_side_px: int) -> Reduced:
    """Reduces and encodes a picture. Only alpha is lossless, because single grey levels matter in it."""
    scale = min(1.0, long_side_px / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    small.save(file, "WEBP", lossless=picture.mode == "L", quality=_QUALITY, method=2)
    return Reduced(file.getvalue(), picture.mode, size, picture.size)
