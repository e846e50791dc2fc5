"""The result of a request: the cut-out, its origin, and methods to composite and save it."""

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

# A colour (name, `#rrggbb` or red, green and blue), `blur`, or an image as `tuft.imaging.load_photo` accepts it.
Background = imaging.ImageSource | compose.Colour


@dataclass(frozen=True, eq=False)
class Cutout:
    """A subject without its background.

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
        """Composites the subject over another background.

        Args:
            background: A colour (name, `#rrggbb` or red, green and blue); an image (path, bytes, binary file, PIL image
                or array), which is scaled and cropped to fill the frame; or `blur`, the photograph's own background out
                of focus.

        Returns:
            RGB, in the size of the photograph.

        Raises:
            OptionError: There is no such colour.
            ImageError: The background image cannot be used; the class tells why.
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
        """Encodes the cut-out as the bytes of a file.

        Args:
            format: One of `tuft.imaging.FORMATS`.
            background: The new background, see `over`; transparent by default.
            lossless: Whether WebP is lossless.
            quality: 1..100 for JPEG, also inside a zip, and for lossy WebP.

        Raises:
            OptionError: There is no such format or quality, or the format cannot represent the cut-out.
            ImageError: The background image cannot be used; the class tells why.
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
        """Writes the cut-out to a file atomically.

        Args:
            path: The file; its suffix decides the format.
            background: The new background, see `over`; transparent by default.
            format: One of `tuft.imaging.FORMATS`, instead of the format of the suffix.
            lossless: Whether WebP is lossless.
            quality: 1..100 for JPEG, also inside a zip, and for lossy WebP.

        Raises:
            OptionError: There is no such format or quality, or the format cannot represent the cut-out.
            ImageError: The background image cannot be used; the class tells why.
            OutputError: The file cannot be written.
        """
        format = format or imaging.format_from_path(path)
        data = self.to_bytes(format, background=background, lossless=lossless, quality=quality)
        write_atomically(path, data)


def resolve_background(background: Background) -> compose.Background:
    """Resolves a background to a colour, decoded pixels or `blur`, which `Cutout.over` accepts too.

    Raises:
        OptionError: There is no such colour.
        ImageError: The image cannot be used; the class tells why.
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
    """Checks that `format` can represent a cut-out over `background`, so that a request fails early.

    Raises:
        OptionError: There is no such format, or it cannot represent the cut-out.
    """
    if format not in imaging.FORMATS:
        raise OptionError(f"There is no format {format!r}: choose one of {', '.join(imaging.FORMATS)}.")
    if format == "zip" and background is not None:
        raise OptionError("A zip keeps the cut-out apart from its alpha: choose png or webp for a background.")
    if format == "jpeg" and background is None:
        raise OptionError("JPEG has no transparency: choose png or webp, or give a background.")
