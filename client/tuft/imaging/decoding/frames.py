"""Decodes all frames of an animation: GIF, APNG, WebP and AVIF."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
from PIL import Image

from tuft.errors import ImageTooLargeError
from tuft.imaging.decoding.formats import READABLE_FORMATS
from tuft.imaging.decoding.load import (
    MAX_BYTES,
    MAX_PIXELS,
    Photo,
    decoding_errors,
    is_animated,
    load_photo,
    photo_from_pil,
    read_picture,
)
from tuft.imaging.decoding.sources import name_of, opened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tuft.imaging.decoding.load import ImageSource

# A minute and a half at 24 frames per second.
MAX_FRAMES: Final = 2000


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of an animation, each as it is shown: whole, with what earlier frames have left in place.

    Attributes:
        photos: At least one, all of the same size.
        durations_ms: How long each is shown.
        plays: How often the animation is played; 0 is for ever.
    """

    photos: tuple[Photo, ...]
    durations_ms: tuple[int, ...]
    plays: int


def load_frames(
    source: ImageSource,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    formats: Collection[str] = READABLE_FORMATS,
) -> Frames:
    """Reads all frames of an animation; of any other picture, its only one.

    Args:
        source: Path, bytes or binary file; a PIL image, an array and a `Photo` are one frame.
        max_pixels: The largest width × height × number of frames accepted.
        max_bytes: The largest file accepted.
        formats: The accepted formats, of `READABLE_FORMATS`.

    Raises:
        ImageTooLargeError: It has more than `max_pixels` in all frames together, more than 2,000 frames, or more than
            `max_bytes`.
        ImageError: See `load_photo`.
    """
    if isinstance(source, Photo | np.ndarray | Image.Image):
        return Frames((load_photo(source, max_pixels=max_pixels),), (0,), 1)
    name = name_of(source)
    with decoding_errors(name, max_pixels), opened(source, max_bytes) as file:
        return frames_from_file(file, name, max_pixels=max_pixels, formats=formats)


def frames_from_file(file: BinaryIO, name: str, *, max_pixels: int, formats: Collection[str]) -> Frames:
    """Reads the animation in `file`, which is at its start; raises Pillow's errors, see `decoding_errors`."""

    def read(image: Image.Image, orientation: int | None) -> Frames:
        if not is_animated(image):
            return Frames((photo_from_pil(image, max_pixels, orientation),), (0,), 1)
        plays = _plays(image)
        photos, durations_ms = [], []
        for count, _ in enumerate(_positions(image), start=1):
            if count > MAX_FRAMES:
                raise ImageTooLargeError(f"{name} has more than {MAX_FRAMES} frames: cut it into several.")
            if count * image.width * image.height > max_pixels:
                raise ImageTooLargeError(
                    f"{name} has more pixels in its frames of {image.width} × {image.height} than the {max_pixels} "
                    "allowed for all together: make it smaller, or raise max_pixels."
                )
            photos.append(photo_from_pil(image, max_pixels, orientation))
            durations_ms.append(round(image.info.get("duration") or 0))
        return Frames(tuple(photos), tuple(durations_ms), plays)

    return read_picture(file, name, read, max_pixels=max_pixels, formats=formats)


def _positions(image: Image.Image) -> Iterator[int]:
    """Moves `image` from frame to frame; yields the number of each."""
    # An APNG may begin with a picture for readers that know no animations, which is no frame.
    frame = 1 if image.info.get("default_image") else 0
    with suppress(EOFError):
        while True:
            image.seek(frame)
            yield frame
            frame += 1


def _plays(image: Image.Image) -> int:
    """GIF counts repetitions, if any; APNG and WebP count how often it is played, 0 for ever."""
    loop = image.info.get("loop")
    if image.format == "GIF":
        return 1 if loop is None else int(loop) and int(loop) + 1
    return int(loop or 0)
