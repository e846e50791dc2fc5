"""The result of a request: the cut-out, its origin, and methods to composite and save it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from tuft import imaging
from tuft.background import Background, require_fitting, require_type, resolve_background
from tuft.errors import OptionError
from tuft.files import require_destination, write_atomically, write_into
from tuft.imaging import compose, layout
from tuft.imaging import shadow as shadows
from tuft.imaging.quality_score import quality_score
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from numpy.typing import NDArray

# A notebook shows pictures of at most this size: it keeps them in its file.
_PREVIEW_PIXELS: Final = 512 * 512


class _ReadOnly(Mapping[str, float]):
    """A mapping without means to change it that, unlike `MappingProxyType`, can be pickled and copied."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> float:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


@dataclass(frozen=True, eq=False)
class Cutout:
    """A subject without its background.

    It can be pickled and copied, and a notebook shows it over a checkerboard. Methods that change it (`cropped`,
    `placed`, `within`, `resized`, `hardened`, `with_shadow`) return another one, in which the photograph lies as the
    subject does.

    Attributes:
        rgba: (H, W, 4) uint8, sRGB with straight alpha; all zero where alpha is zero.
        foreground: (H, W, 3) uint8, the subject's colours, with the old background removed from its edges.
        photo: (H, W, 3) uint8, the photograph, upright and in sRGB.
        preset: Name of the preset that served.
        requested: Name of the requested preset.
        fallback_reason: Why another preset than the requested one served; None if the requested one did.
        model: Name of the model that answered.
        model_version: Version of that model on the server.
        request_id: Unique identifier of the request, also in the logs of client and server and in ratings.
        milliseconds: Time spent in each of `tuft.stopwatch.STAGES`.
        from_cache: Whether the result cache had it, so that no network was asked.
        prompt_agreement: How well the network and the prompt agree, 0..1: intersection over union of the prompt's mask
            and what the network kept of it; for a box alone, of the box and the subject's bounding box. Below
            `tuft.imaging.selection.MIN_AGREEMENT` the prompt's mask alone was used. None without a prompt.
    """

    rgba: NDArray[np.uint8] = field(repr=False)
    foreground: NDArray[np.uint8] = field(repr=False)
    photo: NDArray[np.uint8] = field(repr=False)
    preset: str
    requested: str
    fallback_reason: str | None
    model: str
    model_version: str
    milliseconds: Mapping[str, float]
    request_id: str = ""
    from_cache: bool = False
    prompt_agreement: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "milliseconds", _ReadOnly(self.milliseconds))

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}  # without what is made on demand

    @cached_property
    def image(self) -> Image.Image:
        """The cut-out as a PIL image, RGBA with straight alpha."""
        return Image.fromarray(self.rgba)

    @property
    def alpha(self) -> NDArray[np.uint8]:
        """(H, W) uint8: 0 is background, 255 is subject."""
        return self.rgba[..., 3]

    @cached_property
    def quality_score(self) -> float:
        """0..1, estimated without ground truth; see `tuft.imaging.quality_score`."""
        return quality_score(self.alpha, self.photo)

    @cached_property
    def foreground_box(self) -> imaging.Box:
        """The subject's bounding box: left, top, width and height in pixels, all zero without a subject."""
        return layout.foreground_box(self.alpha)

    @property
    def _size_hw(self) -> tuple[int, int]:
        height, width = self.alpha.shape
        return height, width

    def _repr_png_(self) -> bytes:
        """What a notebook shows: the cut-out over a checkerboard, reduced to a quarter of a megapixel."""
        preview = self.resized(_PREVIEW_PIXELS)
        return imaging.encode(compose.over_checkerboard(preview.rgba), "png")

    def emptied(self, photo: NDArray[np.uint8]) -> Cutout:
        """The cut-out of another photograph (H, W, 3) in which there is no subject."""
        return replace(self, rgba=np.zeros((*photo.shape[:2], 4), np.uint8), foreground=photo, photo=photo)

    def cropped(self, margin: imaging.Lengths = 0) -> Cutout:
        """Crops to the subject.

        Args:
            margin: Free space around it: one value for all sides, two (top and bottom, left and right) or four (top,
                right, bottom, left), in pixels (`30px`, 30) or of the subject's height or width (`10%`); at most 500
                pixels, or half of the subject. Margins reach beyond the photograph where it ends too early.

        Raises:
            OptionError: There is no such margin.
            NoSubjectError: The cut-out is empty.
        """
        frame = layout.cropped_frame(self.foreground_box, imaging.parse_margin(margin))
        return self._moved(layout.window(self.rgba, frame), partial(layout.window, box=frame, extend=True))

    def placed(self, scale: str | float = "original", position: imaging.Lengths | None = None) -> Cutout:
        """Scales and moves the subject in its frame, which keeps its size.

        Args:
            scale: How much of the frame's width or height the subject's bounding box fills, whichever it reaches first:
                `10%`..`100%` or 0.1..1; or `original`.
            position: Where the box lies: `original`, `center`, or one or two percentages of the free space to the left
                of it and above it. By default `original`, or `center` with another scale.

        Raises:
            OptionError: There is no such scale or position.
            NoSubjectError: The cut-out is empty.
        """
        share = imaging.parse_scale(scale)
        where = imaging.parse_position("original" if position is None else position)
        source, frame_hw = self.foreground_box, self._size_hw
        if share is not None and position == "original":
            where = layout.original_position(source, frame_hw)
        target = layout.placed_box(source, frame_hw, share, where)
        place = partial(layout.placed, source=source, target=target, frame_hw=frame_hw)
        return self._moved(place(self.rgba), partial(place, extend=True))

    def within(self, region: imaging.Lengths) -> Cutout:
        """Keeps what lies in a region of the frame, which keeps its size; outside it becomes transparent.

        Where another object in the photograph stands out more than the one in the region, use the argument `roi` of
        `tuft.Client.remove`: the network then sees the region only.

        Args:
            region: `x1 y1 x2 y2`, each in pixels (`30px`, 30) or of the frame's width or height (`10%`).

        Raises:
            OptionError: There is no such region.
            ImageError: It reaches beyond the frame.
        """
        box = imaging.parse_region(region).box(self._size_hw)
        return replace(self, rgba=layout.only_within(self.rgba, box))

    def resized(self, max_pixels: int) -> Cutout:
        """Reduces the cut-out, with its aspect ratio, to at most `max_pixels` pixels; it is never enlarged.

        Raises:
            OptionError: `max_pixels` is not above zero.
        """
        height, width = self._size_hw
        if not isinstance(max_pixels, Real) or not max_pixels >= 1:
            raise OptionError(f"A picture cannot have {shown(repr(max_pixels))} pixels: give a number above zero.")
        scale = min(1.0, math.sqrt(max_pixels / (height * width)))
        size_hw = (max(1, int(height * scale)), max(1, int(width * scale)))
        if height * scale < 1 or width * scale < 1:  # a line: one pixel wide, and as long as is allowed
            size_hw = (min(size_hw[0], max_pixels), min(size_hw[1], max_pixels))
        return self._moved(layout.resized(self.rgba, size_hw), partial(layout.resized, size_hw=size_hw))

    def _moved(self, rgba: NDArray[np.uint8], move: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Cutout:
        """This cut-out with other pixels, and with its photograph moved in the same way."""
        photo = move(self.photo)
        return replace(
            self, rgba=rgba, photo=photo, foreground=photo if self.foreground is self.photo else move(self.foreground)
        )

    def hardened(self, threshold: float = 0.5) -> Cutout:
        """Makes the edge hard: opaque where alpha is above the threshold, transparent elsewhere.

        Args:
            threshold: 0 or more, below 1.

        Raises:
            OptionError: There is no such threshold.
        """
        if not isinstance(threshold, Real) or not 0 <= threshold < 1:
            raise OptionError(f"There is no threshold {shown(repr(threshold))}: choose one from 0 to below 1.")
        return replace(self, rgba=compose.hardened(self.rgba, self.foreground, threshold))

    def with_shadow(self, kind: str = "drop", opacity: float = 50) -> Cutout:
        """Puts a soft black shadow under the subject; alpha then covers both.

        Crop and place the subject first: its shadow ends at the frame.

        Args:
            kind: `drop`, as on a wall close behind; or `natural` (or `3D`), as on the ground where it stands.
            opacity: 0..100, of the shadow where it is darkest.

        Raises:
            OptionError: There is no such kind or opacity.
        """
        kind = imaging.parse_shadow(kind)
        if not isinstance(opacity, Real) or not 0 <= opacity <= 100:
            raise OptionError(f"There is no opacity {shown(repr(opacity))}: choose one from 0 to 100.")
        if not self.foreground_box.width:
            return self
        shade = shadows.shadow(self.alpha, self.foreground_box, kind, opacity / 100)
        rgba = compose.over_translucent(self.rgba, (0, 0, 0), shade)
        return replace(self, rgba=rgba, foreground=rgba[..., :3])

    def as_type(self, output_type: compose.OutputType = "cutout") -> Image.Image:
        """What can be shown of the cut-out, in its size.

        Args:
            output_type: `cutout`, RGBA; `mask`, alpha in grey; `foreground`, the subject's colours without alpha, with
                the old background removed from its edges, and black elsewhere; `green`, over chroma green (#00b140);
                `overlay`, the photograph with its background tinted red.

        Raises:
            OptionError: There is no such type.
        """
        require_type(output_type)
        if output_type == "mask":
            return Image.fromarray(self.alpha)
        if output_type == "foreground":
            return self.image.convert("RGB")
        if output_type == "green":
            return self.over(compose.CHROMA_GREEN)
        if output_type == "overlay":
            return Image.fromarray(compose.overlay(self.photo, self.alpha))
        return self.image

    def over(self, background: Background) -> Image.Image:
        """Composites the subject over another background.

        Args:
            background: A colour, as `tuft.imaging.parse_colour` accepts it; an image (path, bytes, binary file, PIL
                image or array), which is scaled and cropped to fill the frame; or `blur`, the photograph's own
                background out of focus.

        Returns:
            RGB, in the size of the photograph; RGBA over a translucent colour.

        Raises:
            OptionError: There is no such colour.
            ImageError: The background image cannot be used; the class tells why.
        """
        return self._over(resolve_background(background))

    def _over(self, behind: compose.Background) -> Image.Image:
        if isinstance(behind, str):
            behind = compose.blurred_background(self.photo, self.alpha)
        return Image.fromarray(compose.over(self.rgba, behind))

    def to_bytes(
        self,
        format: str = "png",
        *,
        background: Background | None = None,
        lossless: bool = True,
        quality: int = 90,
        output_type: compose.OutputType = "cutout",
        exif: bytes | None = None,
    ) -> bytes:
        """Encodes the cut-out as the bytes of a file.

        Args:
            format: One of `tuft.imaging.FORMATS`.
            background: The new background, see `over`; transparent by default.
            lossless: Whether WebP is lossless.
            quality: 1..100 for JPEG, also inside a zip, and for lossy WebP.
            output_type: What is encoded, see `as_type`; only a `cutout` goes into a zip or over a background.
            exif: The photograph's metadata, as `tuft.imaging.read_exif` returns it, to be kept in the file together
                with a profile that says sRGB. None for neither.

        Raises:
            OptionError: There is no such format, quality or type, or they do not go together.
            ImageError: The background image cannot be used; the class tells why.
        """
        behind = None if background is None else resolve_background(background)
        require_fitting(format, behind, output_type)
        if output_type == "cutout":
            picture: Image.Image | NDArray[np.uint8] = self.rgba if behind is None else self._over(behind)
        else:
            picture = self.as_type(output_type)
        return imaging.encode(picture, format, lossless=lossless, quality=quality, exif=exif)

    def save(
        self,
        path: str | os.PathLike[str] | BinaryIO,
        *,
        background: Background | None = None,
        format: str | None = None,
        lossless: bool = True,
        quality: int = 90,
        output_type: compose.OutputType = "cutout",
        exif: bytes | None = None,
    ) -> None:
        """Writes the cut-out to a file, atomically to a path (`tuft.files.write_atomically`).

        Args:
            path: The file, or one that is opened for writing bytes and is left open; the suffix of its name decides the
                format.
            background: The new background, see `over`; transparent by default.
            format: One of `tuft.imaging.FORMATS`, instead of the format of the suffix.
            lossless: Whether WebP is lossless.
            quality: 1..100 for JPEG, also inside a zip, and for lossy WebP.
            output_type: What is encoded, see `as_type`; only a `cutout` goes into a zip or over a background.
            exif: The photograph's metadata, see `to_bytes`.

        Raises:
            OptionError: There is no such format, quality or type, or they do not go together.
            ImageError: The background image cannot be used; the class tells why.
            OutputError: The file cannot be written.
        """
        require_destination(path)
        format = format or _format_of(path)
        encoding: dict[str, Any] = {"lossless": lossless, "quality": quality, "exif": exif}
        data = self.to_bytes(format, background=background, output_type=output_type, **encoding)
        if isinstance(path, str | os.PathLike):
            write_atomically(path, data)
        else:
            write_into(path, data)


def _format_of(path: str | os.PathLike[str] | BinaryIO) -> str:
    """The format that belongs to the name of a file, which some open files have too."""
    name = path if isinstance(path, str | os.PathLike) else getattr(path, "name", None)
    if not isinstance(name, str | os.PathLike) or not (isinstance(path, str | os.PathLike) or Path(name).suffix):
        raise OptionError(f"A {type(path).__name__} has no suffix that tells the format: give format='png', for one.")
    return imaging.format_from_path(name)
