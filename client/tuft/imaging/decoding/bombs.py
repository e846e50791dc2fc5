"""Detects decompression bombs by their structure, before anything is decoded.

The limits on pixels and bytes bound the time and memory of decoding, except for the files detected here: each has a few
kilobytes to a few megabytes and takes minutes. The limits are many times what cameras and editors write. Malformed
files pass; the decoder reports them.
"""

from __future__ import annotations

import io
import os
import re
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from tuft.errors import ImageTooLargeError
from tuft.imaging.decoding.tiff import TiffFile

if TYPE_CHECKING:
    from collections.abc import Iterator

# libjpeg processes the whole picture again for each scan of a few bytes. Ordinary files have 1 to 13; libtiff's limit.
MAX_JPEG_SCANS: Final = 100
# Each costs a microsecond even if it is empty. 100 MB of extended XMP are 1,600.
MAX_JPEG_SEGMENTS: Final = 10_000
# Pillow concatenates them one by one, in quadratic time. The standard allows one of 64 KiB.
MAX_EXIF_SEGMENTS: Final = 64
# Each costs a few microseconds even if it is empty. 100 MB in libpng's chunks of 8 KiB are 12,800.
MAX_PNG_CHUNKS: Final = 100_000
# Run lengths are decoded in Python; two bytes make a row, and four make 255 empty rows.
MAX_RLE_PIXELS: Final = 16_000_000
MAX_RLE_WIDTH: Final = 65_535
# libavif searches all items for each item. 64 KiB list some 3,000 items; a tiled picture has a few hundred.
MAX_ITEM_TABLE_BYTES: Final = 1 << 16
# Offsets of strips and tiles, each a Python object. 100 megapixels in tiles of 64 × 64 are 24,400.
MAX_TIFF_VALUES: Final = 100_000
# Total size that the tags of a directory may claim if the file is smaller: all tags may refer to the same bytes, and
# Pillow before 13 keeps a copy for each. Metadata that claims more is left out (`metadata.py`).
MAX_CLAIMED_BYTES: Final = 1 << 24

_JPEG_MARKER: Final = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")  # neither stuffing in coded data nor a fill byte
_SOS, _EOI = 0xDA, 0xD9
# The tags of a TIFF that its pixels need: size, kind, orientation, strips, tiles, colours, tables of compressions, and
# the colour profile. Pillow makes a Python object of each of their values.
PIXEL_TAGS: Final = frozenset(
    (
        *(*range(254, 260), 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325),
        *(332, 338, 339, 347, *range(512, 522), 529, 530, 532, 34_675),
    )
)
_BYTE_TYPES: Final = (1, 2, 7)  # which Pillow leaves as bytes
EXIF: Final = b"Exif\0\0"
# Boxes of ISO/IEC 14496-12 that contain others, and the number of bytes before these.
_CONTAINERS: Final = {b"meta": 4, b"iprp": 0, b"moov": 0, b"trak": 0}
_ITEM_TABLES: Final = (b"iinf", b"iloc", b"iref", b"ipma")


def check_structure(file: BinaryIO, name: str) -> None:
    """Checks that `file`, which is at its start and is left there, is no known decompression bomb.

    Raises:
        ImageTooLargeError: It is one; the message begins with `name`.
    """
    reason = None
    with suppress(struct.error, OSError, OverflowError):  # damaged
        reason = _reason(file)
    file.seek(0)
    if reason is not None:
        raise ImageTooLargeError(f"{name} would take far too long to decode ({reason}): save it anew.")


def is_harmless_exif(exif: bytes) -> bool:
    """Whether the first directory of an EXIF block can be read in reasonable time and memory."""
    with suppress(struct.error, OSError, OverflowError):
        tiff = TiffFile(io.BytesIO(exif.removeprefix(EXIF).removeprefix(EXIF)))
        claimed_bytes = sum(entry.claimed_bytes for entry in tiff.entries(tiff.first)[0])
        return claimed_bytes <= max(len(exif), MAX_CLAIMED_BYTES)
    return True


def harmless_profile(profile: bytes) -> bytes:
    """An ICC profile without the tags of unbounded cost; other tags describe the same colours more coarsely.

    D2Bx and B2Dx (ICC.1:2010, 9.2.35 ff.) chain any number of stages, which may be the same one repeated: 8 kB of them
    took lcms four seconds. A profile with these tags must also have AToB, or a matrix and curves.
    """
    harmless = bytearray(profile)
    count = int.from_bytes(profile[128:132], "big")
    for entry in range(132, min(132 + 12 * count, len(profile)), 12):
        if profile[entry : entry + 3] in (b"D2B", b"B2D"):
            harmless[entry : entry + 1] = b"-"  # lcms skips unknown tags
    return bytes(harmless)


def _reason(file: BinaryIO) -> str | None:
    """Why `file` is a bomb, or None."""
    head = file.read(16)
    file.seek(0)
    if head.startswith(b"\xff\xd8\xff"):
        return _in_jpeg(file.read())
    if head.startswith(b"\x89PNG"):
        return _in_png(file)
    if head.startswith(b"BM"):
        return _in_bmp(file.read(34))
    if head.startswith((b"II", b"MM")):
        return _in_tiff(file)
    if head[4:8] == b"ftyp":
        return _in_boxes(file, 0, file.seek(0, os.SEEK_END))
    return None


def _in_jpeg(data: bytes) -> str | None:
    scans, place = 0, 2
    for _ in range(MAX_JPEG_SEGMENTS):
        marker = _JPEG_MARKER.search(data, place)
        if marker is None:
            return None
        kind, start = marker[1][0], marker.end()
        if kind == _EOI:
            return None
        place = start + int.from_bytes(data[start : start + 2], "big")
        scans += kind == _SOS
        if scans > MAX_JPEG_SCANS:
            return f"more than {MAX_JPEG_SCANS} scans"
    return f"more than {MAX_JPEG_SEGMENTS} segments"


def _in_png(file: BinaryIO) -> str | None:
    file.seek(8)
    for _ in range(MAX_PNG_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return None
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return f"more than {MAX_PNG_CHUNKS} chunks"


def _in_bmp(head: bytes) -> str | None:
    if len(head) < 34 or int.from_bytes(head[14:18], "little") < 40:  # the oldest header knows no compression
        return None
    width, height = struct.unpack("<ii", head[18:26])
    if int.from_bytes(head[30:34], "little") not in (1, 2):
        return None
    if abs(width) > MAX_RLE_WIDTH or abs(width * height) > MAX_RLE_PIXELS:
        return f"more than {MAX_RLE_PIXELS} pixels, or {MAX_RLE_WIDTH} a row, in run lengths"
    return None


def _in_tiff(file: BinaryIO) -> str | None:
    tiff, claimed_bytes, size_bytes = TiffFile(file), 0, file.seek(0, os.SEEK_END)
    for entry in tiff.entries(tiff.first)[0]:
        if entry.tag in PIXEL_TAGS:
            if entry.claimed_bytes and entry.kind not in _BYTE_TYPES and entry.count > MAX_TIFF_VALUES:
                return f"more than {MAX_TIFF_VALUES} strips or tiles"
            claimed_bytes += entry.claimed_bytes
    return "tags that claim far more than it holds" if claimed_bytes > max(size_bytes, MAX_CLAIMED_BYTES) else None


def _in_boxes(file: BinaryIO, start: int, end: int, depth: int = 3) -> str | None:
    """Why the boxes between two positions are a bomb, down to `depth` levels of nesting, or None."""
    for kind, content, stop in _boxes(file, start, end):
        if kind in _ITEM_TABLES and stop - content > MAX_ITEM_TABLE_BYTES:
            return f"more than {MAX_ITEM_TABLE_BYTES} bytes of item tables"
        if kind in _CONTAINERS and depth:
            reason = _in_boxes(file, content + _CONTAINERS[kind], stop, depth - 1)
            if reason is not None:
                return reason
    return None


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The type of each box between two positions, and the start and the end of its content."""
    while start + 8 <= end:
        file.seek(start)
        head = file.read(16)
        size, content = int.from_bytes(head[:4], "big"), start + 8
        if size == 1:
            size, content = int.from_bytes(head[8:16], "big"), start + 16
        stop = min(start + size, end) if size else end
        if stop < content:
            return
        yield head[4:8], content, stop
        start = stop
