"""Decodes any ordinary raster image to upright sRGB with eight bits per channel."""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from tuft.errors import ImageNotFoundError, ImageTooLargeError, NotAnImageError, TruncatedImageError, TuftError
from tuft.imaging import pixels
from tuft.imaging.decoding import colour, jpeg, metadata, ppm, tiff, transparency
from tuft.imaging.decoding.bombs import check_structure, harmless_profile, is_harmless_exif
from tuft.imaging.decoding.formats import HEAD_BYTES, READABLE_FORMATS, pillow_formats, unreadable
from tuft.imaging.decoding.pillow_limit import allowing
from tuft.imaging.decoding.pillow_noise import quieten, silenced
from tuft.imaging.decoding.sources import FileSource, name_of, opened
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

Read = TypeVar("Read")

# 300 MB of RGB: above the largest single-shot cameras in use, below what exhausts the memory of a machine.
MAX_PIXELS: Final = 100_000_000
# The same number of pixels as uncompressed RGBA with sixteen bits per channel.
MAX_BYTES: Final = 8 * MAX_PIXELS

# Formats whose files may be animations.
_ANIMATED: Final = ("GIF", "PNG", "WEBP", "AVIF")


@dataclass(frozen=True, eq=False)
class Photo:
    """A decoded photograph.

    Attributes:
        rgb: uint8 (H, W, 3), sRGB, upright; transparent pixels are composited over `backdrop`.
        alpha: uint8 (H, W), the file's own transparency, or None if it is opaque. A result for this photograph must
            not be more opaque.
        backdrop: The grey level, 0..255, behind transparent pixels: white, or black or grey where most of what is
            visible would not stand out from white.
        animated: Whether it is the first frame of an animation.
    """

    rgb: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    backdrop: int = 255
    animated: bool = False

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
    (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) in sRGB: uint8, uint16, bool, or floating point in 0..1. The result shares
    no memory with the source.

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
    with decoding_errors(name, max_pixels):
        if isinstance(source, Image.Image):
            require_open(source)
            with allowing(max_pixels):
                return photo_from_pil(source, max_pixels)
        with opened(source, max_bytes) as file:
            return photo_from_file(file, name, max_pixels=max_pixels, formats=formats)


def photo_from_file(file: BinaryIO, name: str, *, max_pixels: int, formats: Collection[str]) -> Photo:
    """Reads the photograph in `file`, which is at its start; raises Pillow's errors, see `decoding_errors`."""

    def read(image: Image.Image, orientation: int | None) -> Photo:
        photo = photo_from_pil(image, max_pixels, orientation)
        return replace(photo, animated=is_animated(image))

    return read_picture(file, name, read, max_pixels=max_pixels, formats=formats)


def read_picture(
    file: BinaryIO,
    name: str,
    read: Callable[[Image.Image, int | None], Read],
    *,
    max_pixels: int,
    formats: Collection[str],
) -> Read:
    """Opens the picture in `file`, which is at its start, and returns what `read` makes of it.

    Metadata that Pillow cannot read, or would take too long to read, is left out: `read` is called again with the
    picture without it, and with the orientation that EXIF states, which is otherwise None.
    """
    quieten()
    pillow_names = pillow_formats(formats)
    check_structure(file, name)
    with allowing(max_pixels):
        if not metadata.is_harmful(file):
            try:
                with _opened_image(file, name, pillow_names, formats) as image:
                    return read(image, None)
            except (ImageTooLargeError, Image.DecompressionBombError, MemoryError):
                raise
            except Exception:  # of Pillow's parsers, which raise many classes; the second attempt is told of
                bare = metadata.without_metadata(file)
                if bare is None:
                    raise
        else:
            bare = metadata.without_metadata(file) or io.BytesIO()
        with _opened_image(bare, name, pillow_names, formats) as image:
            return read(image, metadata.exif_orientation(file))


@contextmanager
def _opened_image(
    file: BinaryIO, name: str, pillow_names: Collection[str], formats: Collection[str]
) -> Iterator[Image.Image]:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    page = tiff.full_page(file, name) if head.startswith(tiff.STARTS) else 0
    try:
        image = Image.open(file, formats=list(pillow_names))
    except UnidentifiedImageError as exc:
        raise unreadable(name, head, formats) from exc
    with image:
        if page:
            image.seek(page)
        yield image


def is_animated(image: Image.Image) -> bool:
    """Whether `image`, opened from a file, is an animation."""
    if image.format not in _ANIMATED:
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a GIF whose second frame is damaged
        return False


def require_open(image: Image.Image) -> None:
    """Checks that the pixels of `image` are there, or can still be read from its file.

    Raises:
        NotAnImageError: It, or its file, has been closed.
    """
    closed = False
    try:
        file = image.fp if isinstance(image, ImageFile.ImageFile) and image.tile else io.BytesIO()
        closed = file is None or file.closed
        with suppress(AssertionError):  # not yet decoded
            _ = image.im
    except ValueError:
        closed = True
    if closed:
        raise NotAnImageError("The PIL image given is closed: give it while it is open, or call its load() before.")


@contextmanager
def decoding_errors(name: str, max_pixels: int, *, memory: str = "there is") -> Iterator[None]:
    """Silences Pillow's warnings, and converts exceptions of any class to tuft's errors.

    Args:
        name: The name of the source.
        max_pixels: The largest width × height accepted.
        memory: How much memory there is, in words.
    """
    try:
        with silenced():
            yield
    except TuftError:
        raise
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise ImageNotFoundError(f"There is no file {name}: check the path.") from exc
    except Image.DecompressionBombError as exc:  # raised beyond `max_pixels`, see `allowing`
        raise ImageTooLargeError(
            f"{name} has more than the {max_pixels} pixels allowed: make it smaller, or raise max_pixels."
        ) from exc
    except MemoryError as exc:
        raise _no_memory(name, memory) from exc
    except Exception as exc:  # Pillow's parsers raise struct.error, KeyError and many more
        if isinstance(exc, cv2.error) and exc.code == cv2.Error.StsNoMem:
            raise _no_memory(name, memory) from exc
        if isinstance(exc, OSError) and exc.errno is not None:
            raise NotAnImageError(f"{name} cannot be read ({exc.strerror}): check the path.") from exc
        reason = shown(str(exc) or type(exc).__name__)
        raise TruncatedImageError(f"{name} is damaged or ends early ({reason}): get it anew.") from exc


def _no_memory(name: str, memory: str) -> ImageTooLargeError:
    return ImageTooLargeError(f"{name} takes more memory to decode than {memory}: make it smaller first.")


def _check_size(size_hw: tuple[int, int], max_pixels: int) -> None:
    height, width = size_hw
    if height * width == 0:
        raise NotAnImageError(f"A picture of {width} × {height} pixels is empty: give one with pixels.")
    if height * width > max_pixels:
        raise ImageTooLargeError(
            f"The picture has {width} × {height} pixels, more than the {max_pixels} allowed: make it smaller, "
            "or raise max_pixels."
        )


def photo_from_pil(image: Image.Image, max_pixels: int, orientation: int | None = None) -> Photo:
    """Decodes an open image; its EXIF gives the orientation unless it is stated."""
    _check_size((image.height, image.width), max_pixels)
    if ppm.is_slow(image):
        image = ppm.decoded(image)
    rgb, alpha = _stored(image)
    _check_size((image.height, image.width), max_pixels)  # decoders may correct the size that the header states
    # After load(): Pillow turns some TIFF files upright while it loads them, and then removes the orientation.
    orientation = _orientation(image) if orientation is None else orientation
    return _photo(pixels.upright(rgb, orientation), None if alpha is None else pixels.upright(alpha, orientation))


def _stored(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """The colours in sRGB, (H, W, 3), and alpha, (H, W), of an open image, in the order of its file."""
    rgb = jpeg.decoded(image)
    if rgb is not None:
        colour.convert_to_srgb(rgb, _profile(image))
        return rgb, None
    colours, alpha = transparency.colours_and_alpha(image)
    colours = colour.to_srgb(colours, _profile(image))
    return pixels.array_from(colours), None if alpha is None else pixels.array_from(alpha)


def _profile(image: Image.Image) -> bytes | None:
    profile = image.info.get("icc_profile")
    return harmless_profile(profile) if isinstance(profile, bytes) else None


def _orientation(image: Image.Image) -> int:
    try:
        exif = _exif(image)
        if exif is not None and not is_harmless_exif(exif):
            return metadata.orientation_of(exif)
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
    photo = _photo(channels[..., :3], channels[..., 3] if channels.shape[2] == 4 else None)
    if not np.may_share_memory(photo.rgb, array):
        return photo if photo.alpha is None else replace(photo, alpha=photo.alpha.copy())
    return replace(photo, rgb=photo.rgb.copy())  # the caller may fill the array with the next frame meanwhile


def _photo(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> Photo:
    if alpha is None or alpha.min() == 255:
        return Photo(np.ascontiguousarray(rgb))
    backdrop = transparency.backdrop_for(rgb, alpha)
    return Photo(transparency.over(rgb, alpha, backdrop), np.ascontiguousarray(alpha), backdrop)
