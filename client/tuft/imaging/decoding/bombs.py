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
# Pillow before 13 keeps a copy for each.
MAX_CLAIMED_BYTES: Final = 1 << 24

_JPEG_MARKER: Final = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")  # neither stuffing in coded data nor a fill byte
_SOS, _EOI, _APP1 = 0xDA, 0xD9, 0xE1
# Bytes of each type of value in TIFF 6.0 and BigTIFF; Pillow leaves BYTE, ASCII and UNDEFINED as bytes.
_VALUE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_BYTE_TYPES: Final = (1, 2, 7)
_EXIF: Final = b"Exif\0\0"
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
        return _in_tiff(io.BytesIO(exif.removeprefix(_EXIF).removeprefix(_EXIF))) is None
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
    exif: list[bytes] = []
    for _ in range(MAX_JPEG_SEGMENTS):
        marker = _JPEG_MARKER.search(data, place)
        if marker is None:
            break
        kind, start = marker[1][0], marker.end()
        if kind == _EOI:
            break
        place = start + int.from_bytes(data[start : start + 2], "big")
        scans += kind == _SOS
        if kind == _APP1 and data.startswith(_EXIF, start + 2):
            exif.append(data[start + 2 + len(_EXIF) : place])
        if scans > MAX_JPEG_SCANS:
            return f"more than {MAX_JPEG_SCANS} scans"
        if len(exif) > MAX_EXIF_SEGMENTS:
            return f"more than {MAX_EXIF_SEGMENTS} segments of EXIF"
    else:
        return f"more than {MAX_JPEG_SEGMENTS} segments"
    return None if is_harmless_exif(b"".join(exif)) else "EXIF that claims far more than it holds"


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
    head = file.read(4)
    order = "<" if head.startswith(b"II") else ">"
    big = head[2:3] == b"+"  # as Pillow recognises BigTIFF
    place, count, entry = (
        struct.Struct(order + kind) for kind in (("Q", "Q", "HHQ8x") if big else ("L", "H", "HHL4x"))
    )
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(8 if big else 4)
    file.seek(*place.unpack(file.read(place.size)))
    (entries,) = count.unpack(file.read(count.size))
    directory = file.read(min(entries, MAX_TIFF_VALUES) * entry.size)
    claimed_bytes = 0
    for _, kind, values in entry.iter_unpack(directory[: len(directory) // entry.size * entry.size]):
        if kind not in _BYTE_TYPES and values > MAX_TIFF_VALUES:
            return f"more than {MAX_TIFF_VALUES} strips or tiles"
        claimed_bytes += values * _VALUE_BYTES.get(kind, 0)
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
