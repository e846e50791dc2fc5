"""Backgrounds for a cut-out, and which formats can represent it with and without one."""

from __future__ import annotations

from pathlib import Path

from tuft import imaging
from tuft.errors import OptionError
from tuft.imaging import compose
from tuft.text import shown

# A colour as `tuft.imaging.parse_colour` accepts it, `blur`, or an image as `tuft.imaging.load_photo` accepts it.
Background = imaging.ImageSource | compose.Colour


def resolve_background(background: Background) -> compose.Background:
    """Resolves a background to a colour, decoded pixels or `blur`, which `Cutout.over` accepts too.

    Raises:
        OptionError: There is no such colour.
        ImageError: The image cannot be used; the class tells why.
    """
    if isinstance(background, tuple | list):
        return compose.parse_colour(background)
    if isinstance(background, str) and not _looks_like_a_path(background):
        return compose.BLUR if background.lower() == compose.BLUR else compose.parse_colour(background)
    return imaging.load_photo(background).rgb


def _looks_like_a_path(text: str) -> bool:
    if text.startswith(("rgb", "hsl", "hsv")) and text.endswith(")"):  # `rgb(1.5%, 0, 0)` has a suffix
        return False
    path = Path(text)
    try:
        return bool(path.suffix) or len(path.parts) > 1 or path.is_file()
    except (OSError, ValueError):  # too long for a path, or with a null byte
        return False


def require_type(output_type: str) -> None:
    """Checks that there is such an output type.

    Raises:
        OptionError: There is none.
    """
    if output_type not in compose.OUTPUT_TYPES:
        known = ", ".join(compose.OUTPUT_TYPES)
        raise OptionError(f"There is no type {shown(repr(output_type))}: choose one of {known}.")


def require_fitting(format: str, background: compose.Background | None, output_type: str = "cutout") -> None:
    """Checks that `format` can represent what is asked for, so that a request fails early.

    Args:
        format: One of `tuft.imaging.FORMATS`.
        background: As `resolve_background` returns it.
        output_type: One of `tuft.imaging.compose.OUTPUT_TYPES`.

    Raises:
        OptionError: There is no such format or type, or they do not go together.
    """
    require_type(output_type)
    format = imaging.format_from_name(format)
    if output_type != "cutout" and background is not None:
        raise OptionError(f"A background goes with the type cutout, not with {output_type}: leave out one of them.")
    if format == "zip" and output_type != "cutout":
        raise OptionError(f"A zip holds a cut-out: choose png, webp or jpeg for the type {output_type}.")
    if format == "zip" and background is not None:
        raise OptionError("A zip keeps the cut-out apart from its alpha: choose png or webp for a background.")
    translucent = background is None or (isinstance(background, tuple) and len(background) == 4)
    if format == "jpeg" and output_type == "cutout" and translucent:
        raise OptionError("JPEG has no transparency: choose png or webp, or give an opaque background.")
