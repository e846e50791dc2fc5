"""Pictures in, picture files out: the only module that reads and writes image files.

What comes in may be any ordinary raster picture; what goes on is sRGB, upright, eight bits a channel. What goes
out is sRGB without an embedded profile and without metadata: a cut-out tells nobody where its photograph was
taken.
"""

from __future__ import annotations

import io
import os
import secrets
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from tuft import colour, pixels
from tuft._pillow import silenced
from tuft.errors import ImageTooLargeError, NotAnImageError, OptionError, OutputError, TruncatedImageError, TuftError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | NDArray[Any]

# 100 megapixels are 300 MB of RGB: above the largest single-shot cameras in use, below what starves a machine.
MAX_PIXELS: Final = 100_000_000

# Raster formats whose decoders are safe to point at strangers' bytes: never EPS, which runs a program. HEIF is
# read where the plugin pillow-heif has been registered.
_READABLE: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "MPO", "HEIF")
_READABLE_TEXT: Final = "JPEG, PNG, WebP, TIFF, BMP, GIF, PPM or AVIF"

FORMATS: Final = ("png", "webp", "zip", "jpeg")
_FORMAT_OF_SUFFIX: Final = {".png": "png", ".webp": "webp", ".zip": "zip", ".jpg": "jpeg", ".jpeg": "jpeg"}
_MAX_SIDE: Final = {"webp": 16_383, "jpeg": 65_500, "zip": 65_500}


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
    rgb = np.asarray(pixels.upright(colours, orientation))
    return _photo(rgb, None if alpha is None else np.asarray(pixels.upright(alpha, orientation)))


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


def format_from_path(path: str | os.PathLike[str]) -> str:
    """The output format that the suffix of `path` asks for.

    Raises:
        OptionError: The suffix belongs to no format that tuft writes.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in _FORMAT_OF_SUFFIX:
        raise OptionError(
            f"tuft writes no {suffix or 'files without a suffix'}: end the name in {', '.join(_FORMAT_OF_SUFFIX)}."
        )
    return _FORMAT_OF_SUFFIX[suffix.lower()]


def encode(image: Image.Image, format: str, *, lossless: bool = True, quality: int = 90) -> bytes:
    """`image` as the bytes of a file, without profile and metadata.

    Args:
        image: RGB, or RGBA with straight alpha.
        format: `png`; `webp`; `zip` of `color.jpg` and `alpha.png`; or `jpeg`, for pictures without alpha.
        lossless: Whether WebP keeps every value.
        quality: 1..100 for JPEG, and for WebP that is not lossless.

    Raises:
        OptionError: There is no such format or quality, or the format cannot hold this picture.
    """
    if format not in FORMATS:
        raise OptionError(f"There is no format {format!r}: choose one of {', '.join(FORMATS)}.")
    if not 1 <= quality <= 100:
        raise OptionError(f"There is no quality {quality}: choose one from 1 to 100.")
    if max(image.size) > _MAX_SIDE.get(format, max(image.size)):
        raise OptionError(f"{format} holds at most {_MAX_SIDE[format]} pixels a side: choose png.")
    if format == "png":
        return _png(np.asarray(image))
    if format == "webp":
        # method 0 is four times faster than the default, for files a few percent larger.
        return _saved(image, "WEBP", lossless=lossless, quality=0 if lossless else quality, method=0, exact=True)
    if format == "zip":
        return _zip(image, quality)
    if image.mode != "RGB":
        raise OptionError("JPEG has no transparency: choose png or webp, or give a background.")
    return _saved(image, "JPEG", quality=quality, subsampling=0)


def _saved(image: Image.Image, pillow_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, pillow_format, **options)
    return file.getvalue()


def _png(picture: NDArray[np.uint8]) -> bytes:
    """OpenCV's fastest setting: a third smaller and twice as fast as Pillow's, measured on cut-outs."""
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", picture)[1])


def _zip(image: Image.Image, quality: int) -> bytes:
    """Colours as JPEG and alpha as PNG, in one archive whose bytes depend on nothing but the picture."""
    rgba = np.asarray(image.convert("RGBA"))
    alpha = np.ascontiguousarray(rgba[..., 3])
    colours = Image.fromarray(_spread_colours(np.ascontiguousarray(rgba[..., :3]), alpha))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry("color.jpg"), _saved(colours, "JPEG", quality=quality, subsampling=0))
        archive.writestr(_entry("alpha.png"), _png(alpha))
    return file.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16  # readable once unpacked
    return entry


def _spread_colours(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Visible colours drawn out over the transparent rim, so that JPEG's 8 × 8 blocks do not darken the edge."""
    visible = cv2.compare(alpha, 0, cv2.CMP_GT)
    shown = cv2.bitwise_and(rgb, rgb, mask=visible)
    nearby = cv2.cvtColor(cv2.blur(visible, (17, 17)), cv2.COLOR_GRAY2RGB)
    spread: NDArray[np.uint8] = cv2.divide(cv2.blur(shown, (17, 17)), nearby, scale=255)
    cv2.copyTo(rgb, visible, spread)
    return spread


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to `path`, wholly or not at all: a temporary file beside it, then renamed.

    Raises:
        OutputError: The folder is missing or read-only, the disk is full, or `path` is a folder.
    """
    target = Path(path)
    temporary = target.parent / f".tuft-{secrets.token_hex(8)}.part"
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(target)
    except (OSError, ValueError) as exc:  # ValueError: a path with a null byte
        reason = getattr(exc, "strerror", None) or exc
        raise OutputError(f"{target} cannot be written ({reason}): check its folder and the space left.") from exc
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)
