"""Turns a cut-out into the picture that the request asks for: size, background, channels and format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from PIL import Image

from tuft import imaging
from tuft.imaging import compose
from tuft_gateway.removebg.fields import SIZES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft import Cutout
    from tuft_gateway.removebg.fields import RemoveBgRequest

    Pixels = NDArray[np.uint8]

MEDIA_TYPES: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "zip": "application/zip"}
_WHITE: Final = (255, 255, 255)


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    top: int
    left: int
    width: int
    height: int


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
    foreground: Box


def render(cutout: Cutout, request: RemoveBgRequest, background: Pixels | None) -> Rendered:
    """The picture that `request` asks for.

    Args:
        cutout: The cut-out of its photograph.
        request: What is asked for.
        background: uint8 (h, w, 3), the picture behind the subject.

    Raises:
        OptionError: The format cannot hold a picture of this size.
    """
    format = _format(request, cutout, has_background=background is not None)
    height, width = cutout.rgba.shape[:2]
    rgba = reduced(cutout.rgba, size_within((width, height), _pixels(request.size, format)))
    picture = _composed(rgba, request, background, format)
    return Rendered(
        imaging.encode(picture, format),
        MEDIA_TYPES[format],
        (rgba.shape[1], rgba.shape[0]),
        size_within((width, height), _pixels("full", format)),
        foreground_box(rgba[..., 3]),
    )


def _format(request: RemoveBgRequest, cutout: Cutout, *, has_background: bool) -> str:
    if request.format == "auto":
        opaque = has_background or (request.colour is not None and request.colour[3] == 255)
        if not request.alpha_only and (opaque or int(cutout.alpha.min()) == 255):
            return "jpeg"
        return "png"
    return "jpeg" if request.format == "jpg" else request.format


def _pixels(size: str, format: str) -> int:
    """The most pixels that a result of `size` has in `format`."""
    return int(SIZES[size][format == "png"] * 1e6)


def size_within(size_wh: tuple[int, int], pixels: int) -> tuple[int, int]:
    """The largest width and height of the same aspect ratio with at most `pixels`; never larger than `size_wh`."""
    width, height = size_wh
    scale = math.sqrt(pixels / (width * height))
    if scale >= 1:
        return size_wh
    fitted = max(int(width * scale), 1)
    return (fitted, max(min(int(height * scale), pixels // fitted), 1))


def reduced(rgba: Pixels, size_wh: tuple[int, int]) -> Pixels:
    """Straight RGBA reduced to `size_wh`; colours count as much as they are opaque."""
    if (rgba.shape[1], rgba.shape[0]) == size_wh:
        return rgba
    premultiplied = Image.fromarray(rgba).convert("RGBa").resize(size_wh, Image.Resampling.BOX, reducing_gap=2)
    return np.asarray(premultiplied.convert("RGBA"))


def _composed(rgba: Pixels, request: RemoveBgRequest, background: Pixels | None, format: str) -> Pixels:
    if request.alpha_only:
        return np.repeat(rgba[..., 3:], 3, axis=2)
    if background is not None:
        return compose.over(rgba, background)
    if request.colour is not None and request.colour[3] == 255:
        return compose.over(rgba, request.colour[:3])
    if request.colour is not None:
        rgba = over_translucent(rgba, request.colour)
    return compose.over(rgba, _WHITE) if format == "jpeg" else rgba


def over_translucent(rgba: Pixels, colour: tuple[int, int, int, int]) -> Pixels:
    """Straight RGBA over a translucent colour: straight RGBA again (Porter and Duff 1984, over)."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    behind = (1 - alpha) * (colour[3] / 255)
    joint = alpha + behind
    colours = alpha * rgba[..., :3] + behind * np.array(colour[:3], np.float32)
    straight = colours / np.maximum(joint, np.finfo(np.float32).tiny)
    picture: Pixels = np.rint(np.dstack((straight, 255 * joint))).astype(np.uint8)
    return picture


def foreground_box(alpha: Pixels) -> Box:
    """The smallest rectangle with all pixels whose alpha is above 0; empty if there are none."""
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(alpha))
    return Box(top, left, width, height)
