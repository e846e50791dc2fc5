"""Turns a cut-out into the picture that the request asks for: place, size, shadow, background, channels and format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tuft import imaging
from tuft.imaging import compose
from tuft_gateway.removebg.fields import SIZES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft import Cutout
    from tuft.imaging.compose import Colour
    from tuft_gateway.removebg.fields import RemoveBgRequest

    Pixels = NDArray[np.uint8]

MEDIA_TYPES: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "zip": "application/zip"}
_WHITE: Final = (255, 255, 255)


@dataclass(frozen=True)
class Rendered:
    """The picture of an answer.

    Attributes:
        content: The bytes of the file.
        media_type: Its type.
        size_wh: Width and height in pixels.
        max_size_wh: The largest that can be had of this photograph in this format.
        foreground: Where the subject is in it.
    """

    content: bytes
    media_type: str
    size_wh: tuple[int, int]
    max_size_wh: tuple[int, int]
    foreground: imaging.Box


def render(cutout: Cutout, request: RemoveBgRequest, background: Pixels | None) -> Rendered:
    """The picture that `request` asks for.

    Args:
        cutout: The cut-out of its photograph.
        request: What is asked for.
        background: uint8 (h, w, 3), the picture behind the subject.

    Raises:
        NoSubjectError: There is nothing to crop to.
        OptionError: The format cannot hold a picture of this size.
    """
    behind: Pixels | Colour | None = request.colour if background is None else background
    format = _format(request, cutout, behind)
    placed = _placed(cutout, request)
    height, width = placed.alpha.shape
    shown = placed.resized(_pixels(request.size, format))
    foreground = shown.foreground_box
    if request.shadow is not None:
        shown = shown.with_shadow(request.shadow, request.shadow_opacity)
    return Rendered(
        imaging.encode(_picture(shown, request, behind, format), format),
        MEDIA_TYPES[format],
        (shown.alpha.shape[1], shown.alpha.shape[0]),
        _largest((width, height), _pixels("full", format)),
        foreground,
    )


def _format(request: RemoveBgRequest, cutout: Cutout, behind: Pixels | Colour | None) -> str:
    if request.format != "auto":
        return "jpeg" if request.format == "jpg" else request.format
    if request.alpha_only:
        return "png"
    opaque = behind is not None and not is_translucent(behind)
    return "jpeg" if opaque or int(cutout.alpha.min()) == 255 else "png"


def is_translucent(behind: Pixels | Colour) -> bool:
    """Whether what is behind the subject is a colour with alpha."""
    return isinstance(behind, tuple) and len(behind) == 4


def _placed(cutout: Cutout, request: RemoveBgRequest) -> Cutout:
    if request.crop:
        cutout = cutout.cropped(request.crop_margin)
    if request.scale != "original" or request.position is not None:
        cutout = cutout.placed(request.scale, request.position)
    return cutout


def _pixels(size: str, format: str) -> int:
    """The most pixels that a result of `size` has in `format`."""
    return int(SIZES[size][format == "png"] * 1e6)


def _largest(size_wh: tuple[int, int], pixels: int) -> tuple[int, int]:
    """Width and height of a picture that `tuft.Cutout.resized` reduces to at most `pixels`."""
    scale = min(1.0, math.sqrt(pixels / (size_wh[0] * size_wh[1])))
    return (max(1, int(size_wh[0] * scale)), max(1, int(size_wh[1] * scale)))


def _picture(shown: Cutout, request: RemoveBgRequest, behind: Pixels | Colour | None, format: str) -> Pixels:
    """uint8 (h, w, 4), (h, w, 3), or (h, w) for alpha alone."""
    if request.alpha_only and format != "zip":  # a zip has alpha as a file of its own
        return shown.alpha
    picture = shown.rgba if behind is None else compose.over(shown.rgba, behind)
    return compose.over(picture, _WHITE) if format == "jpeg" and picture.shape[2] == 4 else picture
