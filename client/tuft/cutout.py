"""The result: a cut-out, where it came from, and the ways to keep it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from PIL import Image

from tuft import imaging
from tuft.errors import OptionError
from tuft.files import write_atomically
from tuft.imaging import compose

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

# A colour (name, `#rrggbb` or red, green and blue), `blur`, or a picture as `tuft.imaging.load_photo` takes it.
Background = imaging.ImageSource | compose.Colour


@dataclass(frozen=True, eq=False)
class Cutout:
    """A subject without its background.

    Attributes:
        rgba: (H, W, 4) uint8, sRGB with straight alpha; all zero where nothing of the subject is.
        foreground: (H, W, 3) uint8, the subject's colours without the old background in its edges.
        photo: (H, W, 3) uint8, the photograph, upright and in sRGB.
        preset: Name of the preset that served.
        requested: Name of the preset that was asked for.
        fallback_reason: Why another preset than the one asked for served; None if it did not.
        model: Name of the model that answered.
        model_version: Its version, as the server counts.
        request_id: Made for this request; server, logs and ratings know it by that.
        milliseconds: From each of `tuft.stopwatch.STAGES` to the time spent in it.
        from_cache: Whether the result cache had it, so that no network was asked.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "milliseconds", MappingProxyType(dict(self.milliseconds)))

    @cached_property
    def image(self) -> Image.Image:
        """The cut-out as a PIL image, RGBA with straight alpha."""
        return Image.fromarray(self.rgba)

    @property
    def alpha(self) -> NDArray[np.uint8]:
        """(H, W) uint8: 0 is background, 255 is subject."""
        return self.rgba[..., 3]

    def over(self, background: Background) -> Image.Image:
        """The subject in front of something else.

        Args:
            background: A colour (name, `#rrggbb` or red, green and blue), a picture (path, bytes, binary file, PIL
                image or array), scaled and cropped to fill the frame, or `blur`: the photograph's own background,
                out of focus.

        Returns:
            RGB, as large as the photograph.

        Raises:
            OptionError: There is no such colour.
            ImageError: The background picture cannot be used; the class says why.
        """
        behind = resolve_background(background)
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
    ) -> bytes:
        """The cut-out as the bytes of a file.

        Args:
            format: One of `tuft.imaging.FORMATS`.
            background: What to put behind the subject; see `over`. Nothing by default.
            lossless: Whether WebP keeps every value.
            quality: 1..100 for JPEG, also within a zip, and for WebP that is not lossless.

        Raises:
            OptionError: There is no such format or quality, or the format cannot hold what is asked for.
            ImageError: The background picture cannot be used; the class says why.
        """
        require_fitting(format, background)
        picture = self.rgba if background is None else self.over(background)
        return imaging.encode(picture, format, lossless=lossless, quality=quality)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        background: Background | None = None,
        format: str | None = None,
        lossless: bool = True,
        quality: int = 90,
    ) -> None:
        """Writes the cut-out to a file, wholly or not at all.

        Args:
            path: The file; its suffix decides the format.
            background: What to put behind the subject; see `over`. Nothing by default.
            format: Another format than the suffix says, one of `tuft.imaging.FORMATS`.
            lossless: Whether WebP keeps every value.
            quality: 1..100 for JPEG, also within a zip, and for WebP that is not lossless.

        Raises:
            OptionError: There is no such format or quality, or the format cannot hold what is asked for.
            ImageError: The background picture cannot be used; the class says why.
            OutputError: The file cannot be written.
        """
        format = format or imaging.format_from_path(path)
        data = self.to_bytes(format, background=background, lossless=lossless, quality=quality)
        write_atomically(path, data)


def resolve_background(background: Background) -> compose.Background:
    """The colour, the decoded picture or `blur` that is meant, which `Cutout.over` takes as well.

    Raises:
        OptionError: There is no such colour.
        ImageError: The picture cannot be used; the class says why.
    """
    if isinstance(background, tuple):
        return background
    if isinstance(background, str) and not _looks_like_a_path(background):
        return compose.BLUR if background == compose.BLUR else compose.parse_colour(background)
    return imaging.load_photo(background).rgb


def _looks_like_a_path(text: str) -> bool:
    path = Path(text)
    return bool(path.suffix) or len(path.parts) > 1 or path.is_file()


def require_fitting(format: str, background: Background | None) -> None:
    """Sees, before any work is done, that a file of `format` can hold a cut-out over `background`.

    Raises:
        OptionError: There is no such format, or it holds only the other kind.
    """
    if format not in imaging.FORMATS:
        raise OptionError(f"There is no format {format!r}: choose one of {', '.join(imaging.FORMATS)}.")
    if format == "zip" and background is not None:
        raise OptionError("A zip keeps the cut-out apart from its alpha: choose png or webp for a background.")
    if format == "jpeg" and background is None:
        raise OptionError("JPEG has no transparency: choose png or webp, or give a background.")
