"""Pictures in: any ordinary raster picture, from anywhere, as upright sRGB of eight bits a channel."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from tuft import colour, pixels
from tuft._pillow import silenced
from tuft.errors import ImageTooLargeError, NotAnImageError, TruncatedImageError, TuftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | NDArray[Any]

# 100 megapixels are 300 MB of RGB: above the largest single-shot cameras in use, below what starves a machine.
MAX_PIXELS: Final = 100_000_000

# Raster formats whose decoders are safe to point at strangers' bytes: never EPS, which runs a program. HEIF is
# read where the plugin pillow-heif has been registered.
_READABLE: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "MPO", "HEIF")
_READABLE_TEXT: Final = "JPEG, PNG, WebP, TIFF, BMP, GIF, PPM or AVIF"


@dataclass(frozen=True)
class Photo:
    """A decoded photograph.

    Attributes:
        rgb: uint8 (H, W, 3), sRGB, upright. Where the file was transparent, the picture over white.
        alpha: uint8 (H, W), the transparency that the file came with, or None when it was opaque. A result for
            this photograph must not be more opaque.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.rgb.shape[0], self.rgb.shape[1])


def load_photo(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a photograph from a path, bytes, a binary file, a PIL image or an array.

    EXIF orientation is applied and an embedded colour profile converted to sRGB; a damaged profile or damaged EXIF
    is ignored, as viewers do. Of an animation the first frame is read. Sixteen bits are scaled to eight. Arrays are
    (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) in sRGB: uint8, uint16, bool, or floating point in 0..1.

    Args:
        source: The photograph.
        max_pixels: The largest width × height accepted, checked from the header before anything is decoded.

    Raises:
        NotAnImageError: There is no such file, or it is no picture that tuft reads.
        ImageTooLargeError: The picture has more than `max_pixels` pixels.
        TruncatedImageError: The file is damaged or ends early.
    """
    if isinstance(source, np.ndarray):
        return _photo_from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        with _decoding("The picture given"):
            return _photo_from_pil(source, max_pixels)
    name = str(Path(source)) if isinstance(source, str | os.PathLike) else "The picture given"
    with _decoding(name), _opened(source, name) as image:
        return _photo_from_pil(image, max_pixels)


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Pillow's warnings silenced and its errors, of whatever class, turned into tuft's."""
    try:
        with silenced():
            yield
    except TuftError:
        raise
    except UnidentifiedImageError as exc:
        raise NotAnImageError(f"{name} is no picture that tuft reads: give {_READABLE_TEXT}.") from exc
    except (Image.DecompressionBombError, MemoryError) as exc:
        raise ImageTooLargeError(f"{name} is too large to decode here: make it smaller first.") from exc
    except Exception as exc:  # Pillow's parsers raise whatever they stumble over: struct.error, KeyError, ...
        if isinstance(exc, OSError) and exc.errno is not None:
            raise NotAnImageError(f"{name} cannot be read ({exc.strerror}): check the path.") from exc
        reason = str(exc) or type(exc).__name__
        raise TruncatedImageError(f"{name} is damaged or ends early ({reason}): get it anew.") from exc


@contextmanager
def _opened(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO, name: str
) -> Iterator[Image.Image]:
    """`source` as a PIL image of which only the header has been read."""
    if isinstance(source, str | os.PathLike):
        try:
            file: BinaryIO = Path(source).open("rb")  # noqa: SIM115 - closed below, like every other kind
        except ValueError as exc:
            raise NotAnImageError(f"{name!r} is no path of a file: check it.") from exc
    else:
        file = io.BytesIO(_bytes(source))
    with file:
        if not file.read(1):
            raise NotAnImageError(f"{name} is empty: give a picture.")
        file.seek(0)
        with Image.open(file, formats=_registered_formats()) as image:
            yield image


def _bytes(source: object) -> bytes | bytearray | memoryview:
    if isinstance(source, bytes | bytearray | memoryview):
        return source
    read: Callable[[], object] | None = getattr(source, "read", None)
    content = read() if callable(read) else None
    if not isinstance(content, bytes):
        raise NotAnImageError(
            f"A {type(source).__name__} is no picture: give a path, bytes, a file opened as 'rb', "
            "a PIL image or an array."
        )
    return content


def _registered_formats() -> list[str]:
    Image.init()
    return [name for name in _READABLE if name in Image.OPEN]


def _check_size(size_hw: tuple[int, int], max_pixels: int) -> None:
    height, width = size_hw
    if height * width == 0:
        raise NotAnImageError(f"A picture of {width} × {height} pixels is empty: give one with pixels.")
    if height * width > max_pixels:
        raise ImageTooLargeError(
            f"The picture has {width} × {height} pixels, more than the {max_pixels} allowed: make it smaller, "
            "or raise max_pixels."
        )


def _photo_from_pil(image: Image.Image, max_pixels: int) -> Photo:
    _check_size((image.height, image.width), max_pixels)
    image.load()
    colours, alpha = pixels.colours_and_alpha(image)
    profile = image.info.get("icc_profile")
    colours = colour.to_srgb(colours, profile if isinstance(profile, bytes) else None)
    # Only now, after load(): Pillow turns some TIFF files upright by itself while it loads them, and says so then.
    orientation = _orientation(image)
    rgb = pixels.upright(pixels.array_from(colours), orientation)
    return _photo(rgb, None if alpha is None else pixels.upright(pixels.array_from(alpha), orientation))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF spoils no picture, and fails in as many ways as there are tags
        return 1


def _photo_from_array(array: NDArray[Any], max_pixels: int) -> Photo:
    shape = array.shape
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))):
        raise NotAnImageError(f"An array of shape {shape} is no picture: give (H, W), (H, W, 3) or (H, W, 4).")
    _check_size((shape[0], shape[1]), max_pixels)
    channels = pixels.uint8_from(array).reshape(shape[0], shape[1], -1)
    if channels.shape[2] == 1:
        channels = np.repeat(channels, 3, axis=2)
    return _photo(channels[..., :3], channels[..., 3] if channels.shape[2] == 4 else None)


def _photo(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> Photo:
    if alpha is None or alpha.min() == 255:
        return Photo(np.ascontiguousarray(rgb))
    return Photo(pixels.over_white(rgb, alpha), np.ascontiguousarray(alpha))
