"""Encodes PNG, WebP, JPEG and zip files, without colour profile and metadata unless they are asked for."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tuft.errors import OptionError
from tuft.imaging.png import encode_png
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS: Final = ("png", "webp", "zip", "jpeg")
FORMAT_OF_SUFFIX: Final = {".png": "png", ".webp": "webp", ".zip": "zip", ".jpg": "jpeg", ".jpeg": "jpeg"}
# 1 January 2000 as a profile states it.
_PROFILE_DATE: Final = b"".join(number.to_bytes(2, "big") for number in (2000, 1, 1, 0, 0, 0))
_OTHER_NAMES: Final = {"jpg": "jpeg"}
_MAX_SIDE: Final = {"webp": 16_383, "jpeg": 65_500, "zip": 65_500}


def format_from_name(name: str) -> str:
    """The output format called `name`, one of `FORMATS`; `jpg` is a name for `jpeg`, and case does not matter.

    Raises:
        OptionError: tuft writes no such format.
    """
    format = name.lower() if isinstance(name, str) else ""
    format = _OTHER_NAMES.get(format, format)
    if format not in FORMATS:
        raise OptionError(f"There is no format {shown(repr(name))}: choose one of {', '.join(FORMATS)}.")
    return format


def format_from_path(path: str | os.PathLike[str]) -> str:
    """The output format that belongs to the suffix of `path`.

    Raises:
        OptionError: tuft writes no format with this suffix.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in FORMAT_OF_SUFFIX:
        what = shown(suffix) if suffix else "files without a suffix"
        raise OptionError(f"tuft writes no {what}: end the name in {', '.join(FORMAT_OF_SUFFIX)}.")
    return FORMAT_OF_SUFFIX[suffix.lower()]


def encode(
    picture: Image.Image | NDArray[np.uint8],
    format: str,
    *,
    lossless: bool = True,
    quality: int = 90,
    exif: bytes | None = None,
) -> bytes:
    """Encodes `picture` as the bytes of a file, by default without colour profile and metadata.

    Args:
        picture: Grey, RGB, or RGBA with straight alpha: a PIL image, or uint8 (H, W), (H, W, 3) or (H, W, 4).
        format: `png`; `webp`; `zip` of `color.jpg` and `alpha.png`; or `jpeg`, for pictures without alpha.
        lossless: Whether WebP is lossless.
        quality: 1..100 for JPEG, also inside a zip, and for lossy WebP.
        exif: Metadata for the file, as `read_exif` returns it; a profile that says sRGB goes with it, unless the
            picture is grey. None for neither.

    Raises:
        OptionError: There is no such format or quality, or the format cannot represent this picture.
    """
    pixels = np.asarray(picture)
    format = format_from_name(format)
    quality = _quality(quality)
    if not isinstance(lossless, bool):
        raise OptionError(f"lossless is {shown(repr(lossless))}: give True or False.")
    labels = _labels(exif, grey=pixels.ndim == 2)
    if max(pixels.shape[:2]) > _MAX_SIDE.get(format, max(pixels.shape[:2])):
        raise OptionError(f"{format} holds at most {_MAX_SIDE[format]} pixels a side: choose png.")
    if format == "png":
        return encode_png(pixels, _png_chunks(labels))
    if format == "webp":
        # method 0 is four times faster than the default, for files a few percent larger.
        options: dict[str, object] = {
            "lossless": lossless,
            "quality": 0 if lossless else quality,
            "method": 0,
            "exact": True,
        }
        return _saved(pixels, "WEBP", **options, **labels)
    if format == "zip":
        return _zip(pixels, quality, labels)
    if pixels.shape[2:] == (4,):
        raise OptionError("JPEG has no transparency: choose png or webp, or give a background.")
    return _saved(pixels, "JPEG", quality=quality, subsampling=0, **labels)


def _labels(exif: bytes | None, *, grey: bool) -> dict[str, bytes]:
    """Metadata by Pillow's names."""
    if exif is None:
        return {}
    labels = {"exif": exif} if exif else {}
    return labels if grey else {**labels, "icc_profile": _srgb_profile()}


@cache
def _srgb_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = _PROFILE_DATE  # the time of its making otherwise, so that no two files would be the same
    return bytes(profile)


def _png_chunks(labels: Mapping[str, bytes]) -> list[tuple[bytes, bytes]]:
    chunks = []
    if "icc_profile" in labels:
        chunks.append((b"iCCP", b"sRGB\0\0" + zlib.compress(labels["icc_profile"])))
    if "exif" in labels:
        chunks.append((b"eXIf", labels["exif"].removeprefix(b"Exif\0\0")))
    return chunks


def _quality(quality: object) -> int:
    """The quality as an `int`; NumPy's integers are accepted."""
    if not isinstance(quality, int | np.integer) or isinstance(quality, bool) or not 1 <= quality <= 100:
        raise OptionError(f"There is no quality {shown(repr(quality))}: choose a whole number from 1 to 100.")
    return int(quality)


def _saved(pixels: NDArray[np.uint8], pillow_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, pillow_format, **options)
    return file.getvalue()


def _zip(pixels: NDArray[np.uint8], quality: int, labels: Mapping[str, bytes]) -> bytes:
    """A reproducible archive with the colours as JPEG and alpha as PNG."""
    rgb, alpha = np.ascontiguousarray(pixels[..., :3]), np.full(pixels.shape[:2], 255, np.uint8)
    if pixels.shape[2] == 4:
        alpha = np.ascontiguousarray(pixels[..., 3])
        rgb = _spread_colours(rgb, alpha)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry("color.jpg"), _saved(rgb, "JPEG", quality=quality, subsampling=0, **labels))
        archive.writestr(_entry("alpha.png"), encode_png(alpha))
    return file.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16  # the permissions of the unpacked file
    return entry


def _spread_colours(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Extends visible colours into the transparent rim, so that JPEG's 8 × 8 blocks do not darken the edge."""
    visible = cv2.compare(alpha, 0, cv2.CMP_GT)
    shown = cv2.bitwise_and(rgb, rgb, mask=visible)
    nearby = cv2.cvtColor(cv2.blur(visible, (17, 17)), cv2.COLOR_GRAY2RGB)
    spread: NDArray[np.uint8] = cv2.divide(cv2.blur(shown, (17, 17)), nearby, scale=255)
    cv2.copyTo(rgb, visible, spread)
    return spread
