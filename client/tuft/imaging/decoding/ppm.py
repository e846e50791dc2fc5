"""Decodes the variants of PPM that Pillow decodes in Python: text, and a maximum level other than 255.

Pillow takes 1.6 s per megapixel for sixteen bits per channel, as raw converters write them, and quadratic time for
comments in text files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image, ImageFile

from tuft.errors import TruncatedImageError

if TYPE_CHECKING:
    from typing import TypeGuard

    from numpy.typing import NDArray

_SLOW: Final = ("ppm", "ppm_plain")
_CHANNELS: Final = {"1": 1, "L": 1, "I": 1, "RGB": 3}
_COMMENT: Final = re.compile(rb"#[^\r\n]*")
_TOO_LONG: Final = re.compile(rb"[0-9]{6}")  # levels have at most five digits
_SPACE: Final = b" \t\n\v\f\r"


def is_slow(image: Image.Image) -> TypeGuard[ImageFile.ImageFile]:
    """Whether Pillow would decode `image`, of which only the header has been read, in Python."""
    return isinstance(image, ImageFile.ImageFile) and bool(image.tile) and image.tile[0].codec_name in _SLOW


def decoded(image: ImageFile.ImageFile) -> Image.Image:
    """Decodes `image` like its `load()`, with levels rounded to eight bits: L or RGB.

    Args:
        image: An image for which `is_slow` is true.

    Raises:
        TruncatedImageError: Levels are missing, or above the maximum of the header.
    """
    tile, channels = image.tile[0], _CHANNELS[image.mode]
    count = image.width * image.height * channels
    largest = 1 if image.mode == "1" else int((tile.args or (0,))[-1])
    assert image.fp is not None
    image.fp.seek(tile.offset)
    if tile.codec_name == "ppm_plain":
        levels = _from_text(image.fp.read(), bits=image.mode == "1")[:count]
    else:
        kind = np.dtype(np.uint8 if largest < 256 else ">u2")
        levels = np.frombuffer(image.fp.read(count * kind.itemsize), kind)
    if len(levels) < count or levels.max() > largest:
        raise TruncatedImageError("The PPM picture does not have the levels that its header states: get it anew.")
    scale = np.rint(np.arange(largest + 1) * (255 / largest)).astype(np.uint8)
    if image.mode == "1":
        scale = 255 - scale  # ones are ink
    return Image.fromarray(scale[levels].reshape((image.height, image.width, channels)[: 3 if channels == 3 else 2]))


def _from_text(text: bytes, *, bits: bool) -> NDArray[np.integer[Any]]:
    """The numbers in `text`; an empty array if it contains anything else."""
    text = _COMMENT.sub(b"", text)
    if bits:  # single digits, with or without spaces between them
        return np.frombuffer(text.translate(None, _SPACE), np.uint8) - np.uint8(48)
    if text.translate(None, _SPACE + b"0123456789") or _TOO_LONG.search(text):
        return np.empty(0, np.int32)
    return np.fromstring(text, np.int32, sep=" ")
