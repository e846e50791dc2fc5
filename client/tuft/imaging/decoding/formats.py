"""The formats that tuft reads, and what other files are called in messages."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from PIL import Image

from tuft.errors import NotAnImageError, OptionError
from tuft.imaging.decoding.tiff import raw_file
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Collection

# Raster formats whose decoders are suitable for untrusted files, and their names in Pillow; not EPS, which runs a
# program. HEIF needs the extra `heif`.
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

# The beginnings of files that are pictures to people, and their names.
_HEIC: Final = re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)
_AVIF: Final = re.compile(rb"....ftypavi[fs]", re.DOTALL)
_RAW: Final = re.compile(rb"FUJIFILMCCD-RAW|II[UR]\0|IIR[OS]|MMOR|\0MRM|FOVb|II\x1a\0\0\0HEAP|....ftypcrx ", re.DOTALL)
_OTHERS: Final = (
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>[^<]*)?<(!DOCTYPE )?svg", re.IGNORECASE), "an SVG drawing"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html)", re.IGNORECASE), "a web page"),
    (re.compile(rb"8BPS"), "a Photoshop document"),
    (re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "), "a JPEG XL picture"),
    (re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"), "a JPEG 2000 picture"),
    (re.compile(rb"\x00\x00\x01\x00[^\x00]"), "an icon"),
    (re.compile(rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ", re.DOTALL), "a film"),
    (re.compile(rb"PK\x03\x04"), "a zip archive"),
    (re.compile(rb"version https://git-lfs"), "a pointer of Git LFS"),
)
_READ: Final = (
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG"), "PNG"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WebP"),
    (re.compile(rb"II[*+]\x00|MM\x00[*+]"), "TIFF"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"BM.{12}[\x0c\x28\x38\x40\x6c\x7c]\x00\x00\x00", re.DOTALL), "BMP"),
)
HEAD_BYTES: Final = 1024


@cache
def register() -> None:
    """Makes Pillow's plugins known, and that of pillow-heif where it is installed."""
    Image.init()
    if "HEIF" in Image.OPEN:  # the program has registered it
        return
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    # Nothing but the picture itself: these are decoded by further code, and thumbnails could replace the picture.
    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def pillow_formats(formats: Collection[str]) -> list[str]:
    """The names in Pillow of `formats`, as far as they can be read here.

    Raises:
        OptionError: There is no such format.
    """
    formats = canonical(formats)
    unknown = [name for name in formats if name not in _PILLOW_NAMES]
    if unknown:
        raise OptionError(f"tuft reads no format {shown(repr(unknown[0]))}: choose from {', '.join(READABLE_FORMATS)}.")
    register()
    return [name for format in formats for name in _PILLOW_NAMES[format] if name in Image.OPEN]


def canonical(formats: Collection[str]) -> list[str]:
    """The formats by the names of `READABLE_FORMATS`."""
    return [_OTHER_NAMES.get(name, name) for name in formats]


def unreadable(name: str, head: bytes, formats: Collection[str]) -> NotAnImageError:
    """The error for a file in no readable format.

    Args:
        name: Its name.
        head: Its first `HEAD_BYTES`.
        formats: The formats that were accepted.
    """
    formats = canonical(formats)
    readable = [format for format in formats if any(known in Image.OPEN for known in _PILLOW_NAMES[format])]
    if _HEIC.match(head) and "heif" in formats and "heif" not in readable:
        return NotAnImageError(f"{name} is a HEIC picture, which needs a library: pip install 'tuft-matting[heif]'.")
    if _AVIF.match(head) and "avif" in formats and "avif" not in readable:
        return NotAnImageError(f"{name} is an AVIF picture, which this Pillow cannot read: install one with AVIF.")
    if _RAW.match(head):
        return raw_file(name)
    for pattern, kind in _OTHERS:
        if pattern.match(head) and not _AVIF.match(head) and not _HEIC.match(head):
            return NotAnImageError(f"{name} is {kind}, which tuft does not read: give {', '.join(readable)}.")
    for pattern, format in _READ:
        if pattern.match(head) and format.lower() in readable:
            text = "of a kind that cannot be read: save it anew, as PNG or JPEG"
            return NotAnImageError(f"{name} is a {format} that is damaged, or {text}.")
    return NotAnImageError(f"{name} is no picture that tuft reads: give {', '.join(readable)}.")
