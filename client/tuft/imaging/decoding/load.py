"""Decodes any ordinary raster image to upright sRGB with eight bits per channel."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from tuft.errors import (
    ImageNotFoundError,
    ImageTooLargeError,
    NotAnImageError,
    OptionError,
    TruncatedImageError,
    TuftError,
)
from tuft.imaging import pixels
from tuft.imaging.decoding import colour, ppm
from tuft.imaging.decoding.bombs import check_structure, harmless_profile, is_harmless_exif
from tuft.imaging.decoding.pillow_noise import quieten, silenced
from tuft.imaging.decoding.sources import FileSource, name_of, opened
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# 300 MB of RGB: above the largest single-shot cameras in use, below what exhausts the memory of a machine.
MAX_PIXELS: Final = 100_000_000
# The same number of pixels as uncompressed RGBA with sixteen bits per channel.
MAX_BYTES: Final = 8 * MAX_PIXELS

# Raster formats whose decoders are suitable for untrusted files, and their names in Pillow; not EPS, which runs a
# program. HEIF is read if the plugin pillow-heif has been registered.
_PILLOW_NAMES: Final = {
    "jpeg": ("JPEG", "MPO"),
    "png": ("PNG",),
    "webp": ("WEBP",),
    "tiff": ("TIFF",),
    "bmp": ("BMP",),
    "gif": ("GIF",),
    "ppm": ("PPM",),
    "avif": ("AVIF",),
    "heif": ("HEIF",),
}
_OTHER_NAMES: Final = {"jpg": "jpeg", "tif": "tiff", "heic": "heif"}
READABLE_FORMATS: Final = tuple(_PILLOW_NAMES)


@dataclass(frozen=True)
class Photo:
    """A decoded photograph.

    Attributes:
        rgb: uint8 (H, W, 3), sRGB, upright; transparent pixels are composited over white.
        alpha: uint8 (H, W), the file's own transparency, or None if it is opaque. A result for this photograph must
            not be more opaque.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.rgb.shape[0], self.rgb.shape[1])


ImageSource = FileSource | Image.Image | NDArray[Any] | Photo


def load_photo(
    source: ImageSource,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    formats: Collection[str] = READABLE_FORMATS,
) -> Photo:
    """Reads a photograph from a path, bytes, a binary file, a PIL image or an array; a `Photo` is returned as it is.

    Applies the EXIF orientation and converts an embedded colour profile to sRGB; damaged profiles and damaged EXIF are
    ignored, as in viewers. Only the first frame of an animation is read. Sixteen bits are scaled to eight. Arrays are
    (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) in sRGB: uint8, uint16, bool, or floating point in 0..1.

    Args:
        source: The photograph.
        max_pixels: The largest width × height accepted, checked from the header before anything is decoded.
        max_bytes: The largest file accepted; no more than this is read of a stream.
        formats: The accepted formats, of `READABLE_FORMATS`. The format is detected from the content, not from the
            file name.

    Raises:
        ImageNotFoundError: There is no such file.
        NotAnImageError: It cannot be read, or is not an image in one of `formats`.
        ImageTooLargeError: It has more than `max_pixels` pixels or `max_bytes` bytes, or would take far more time or
            memory to decode than a photograph of its size.
        TruncatedImageError: The file is damaged or incomplete.
        OptionError: There is no such format.
    """
    if isinstance(source, Photo):
        _check_size(source.size_hw, max_pixels)
        return source
    if isinstance(source, np.ndarray):
        return _photo_from_array(source, max_pixels)
    name = name_of(source)
    with decoding_errors(name, formats):
        if isinstance(source, Image.Image):
            return _photo_from_pil(source, max_pixels)
        with opened(source, max_bytes) as file:
            return photo_from_file(file, name, max_pixels=max_pixels, formats=formats)


def photo_from_file(file: BinaryIO, name: str, *, max_pixels: int, formats: Collection[str]) -> Photo:
    """Reads the photograph in `file`, which is at its start; raises Pillow's errors, see `decoding_errors`."""
    quieten()
    pillow_formats = _pillow_formats(formats)
    check_structure(file, name)
    with Image.open(file, formats=pillow_formats) as image:
        return _photo_from_pil(image, max_pixels)


@contextmanager
def decoding_errors(name: str, formats: Collection[str] = READABLE_FORMATS) -> Iterator[None]:
    """Silences Pillow's warnings, and converts exceptions of any class to tuft's errors."""
    try:
        with silenced():
            yield
    except TuftError:
        raise
    except UnidentifiedImageError as exc:
        raise NotAnImageError(f"{name} is no picture that tuft reads: give {', '.join(formats)}.") from exc
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise ImageNotFoundError(f"There is no file {name}: check the path.") from exc
    except (Image.DecompressionBombError, MemoryError) as exc:
        raise _too_large(name) from exc
    except Exception as exc:  # Pillow's parsers raise struct.error, KeyError and many more
        if isinstance(exc, cv2.error) and exc.code == cv2.Error.StsNoMem:
            raise _too_large(name) from exc
        if isinstance(exc, OSError) and exc.errno is not None:
            raise NotAnImageError(f"{name} cannot be read ({exc.strerror}): check the path.") from exc
        reason = str(exc) or type(exc).__name__
        raise TruncatedImageError(f"{name} is damaged or ends early ({reason}): get it anew.") from exc


def _too_large(name: str) -> ImageTooLargeError:
    return ImageTooLargeError(f"{name} is too large to decode here: make it smaller first.")


def _pillow_formats(formats: Collection[str]) -> list[str]:
    formats = [_OTHER_NAMES.get(name, name) for name in formats]
    unknown = [name for name in formats if name not in _PILLOW_NAMES]
    if unknown:
        raise OptionError(f"tuft reads no format {shown(repr(unknown[0]))}: choose from {', '.join(READABLE_FORMATS)}.")
    Image.init()
    return [name for format in formats for name in _PILLOW_NAMES[format] if name in Image.OPEN]


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
    _require_open(image)
    _check_size((image.height, image.width), max_pixels)
    if ppm.is_slow(image):
        image = ppm.decoded(image)
    image.load()
    colours, alpha = pixels.colours_and_alpha(image)
    profile = image.info.get("icc_profile")
    colours = colour.to_srgb(colours, harmless_profile(profile) if isinstance(profile, bytes) else None)
    # After load(): Pillow turns some TIFF files upright while it loads them, and then removes the orientation.
    orientation = _orientation(image)
    rgb = pixels.upright(pixels.array_from(colours), orientation)
    return _photo(rgb, None if alpha is None else pixels.upright(pixels.array_from(alpha), orientation))


def _require_open(image: Image.Image) -> None:
    """Checks that the caller has not closed the file of a picture that Pillow has yet to decode."""
    file = getattr(image, "fp", None)
    closed = bool(getattr(image, "tile", None)) and (file is None or getattr(file, "closed", False))
    try:
        _ = image.im
    except ValueError:  # close() has been called
        closed = True
    except AssertionError:  # it has not been decoded yet
        pass
    if closed:
        raise NotAnImageError("This PIL image is closed: load() it before its with block ends, or give its path.")


def _orientation(image: Image.Image) -> int:
    try:
        exif = _exif(image)
        if exif is not None and not is_harmless_exif(exif):
            return 1
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF, which raises many classes, must not make a photograph unreadable
        return 1


def _exif(image: Image.Image) -> bytes | None:
    """The EXIF block that `image.getexif()` would read, if it is not in the file's own TIFF directory."""
    exif = image.info.get("exif")
    text = image.info.get("Raw profile type exif")
    if exif is None and text is not None:  # hexadecimal, after three header lines
        exif = bytes.fromhex("".join(text.split("\n")[3:]))
    return exif if isinstance(exif, bytes) else None


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
