"""What stands beside the pixels of a file: finds the EXIF, and makes copies of files without metadata.

A photograph is refused only if its pixels cannot be had. Metadata that Pillow cannot read, or would take too long to
read, is left out instead; the orientation that EXIF states is kept.
"""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from tuft.imaging.decoding import tiff
from tuft.imaging.decoding.bombs import EXIF, MAX_CLAIMED_BYTES, MAX_EXIF_SEGMENTS, PIXEL_TAGS, is_harmless_exif

if TYPE_CHECKING:
    from collections.abc import Iterator

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_SOI, _SOS, _COM, _APP0, _APP1, _APP2, _APP14, _APP15 = 0xD8, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
# Markers without a length: fill bytes, TEM, RSTn and SOI.
_BARE: Final = frozenset((0xFF, 0x01, *range(0xD0, 0xD9)))
_ICC: Final = b"ICC_PROFILE\0"
_JFIF_BYTES: Final = 14
# Chunks beside the critical ones that change pixels.
_PNG_KEPT: Final = (b"tRNS", b"iCCP")
_MAX_PROFILE_BYTES: Final = 1 << 24


def is_harmful(file: BinaryIO) -> bool:
    """Whether a JPEG or a TIFF has metadata that Pillow should not be given; leaves `file` at its start."""
    head = file.read(2)
    harmful = False
    with suppress(struct.error, OSError, OverflowError):
        if head == _JPEG:
            parts = [content for _, content in _exif_segments(file)]
            harmful = len(parts) > MAX_EXIF_SEGMENTS or not is_harmless_exif(b"".join(parts))
        elif head in tiff.STARTS:
            harmful = bool(_needless_claims(file))
    file.seek(0)
    return harmful


def without_metadata(file: BinaryIO) -> io.BytesIO | None:
    """A copy of a JPEG, PNG or TIFF with nothing but what its pixels need; None for other and damaged files."""
    file.seek(0)
    data = file.read()
    with suppress(struct.error, IndexError):
        if data.startswith(_JPEG):
            return io.BytesIO(_bare_jpeg(data))
        if data.startswith(_PNG):
            return io.BytesIO(_PNG + b"".join(_bare_chunks(data)))
        if data.startswith(tiff.STARTS):
            return _bare_tiff(data)
    return None


def exif_orientation(file: BinaryIO) -> int | None:
    """The orientation that the EXIF of a JPEG or a PNG states; 1 without it, and None for other files."""
    file.seek(0)
    data = file.read()
    exif = b""
    with suppress(struct.error):
        if data.startswith(_JPEG):
            exif = next((content for _, content in _exif_segments(io.BytesIO(data))), b"")
        elif data.startswith(_PNG):
            exif = next((chunk[8:-4] for kind, chunk in _chunks(data) if kind == b"eXIf"), b"")
        else:
            return None
    return orientation_of(exif)


def orientation_of(exif: bytes) -> int:
    """The orientation that an EXIF block states, however damaged the rest of it is; 1 without it."""
    return tiff.orientation(io.BytesIO(exif.removeprefix(EXIF).removeprefix(EXIF)))


# --- JPEG


def _exif_segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The place of each segment of EXIF before the first scan, and its content after `Exif`."""
    for marker, place, length in _segments(file):
        if marker == _APP1:
            file.seek(place)
            content = file.read(length)
            if content.startswith(EXIF):
                yield place, content[len(EXIF) :]


def _segments(file: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """The marker of each segment before the first scan, and the place and the length of its content."""
    place = 2
    while True:
        file.seek(place)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        if head[1] in _BARE:
            place += 1 if head[1] == 0xFF else 2
            continue
        length = int.from_bytes(head[2:], "big")
        if head[1] == _SOS or length < 2:
            return
        yield head[1], place + 4, length - 2
        place += 2 + length


def _bare_jpeg(data: bytes) -> bytes:
    """Without comments and application segments, except for those that say how to read the colours."""
    kept, rest = [data[:2]], 2
    for marker, place, length in _segments(io.BytesIO(data)):
        application = _APP0 <= marker <= _APP15
        if not (application or marker == _COM) or _states_colours(marker, data[place : place + length]):
            kept.append(data[place - 4 : place + length])
        rest = place + length
    return b"".join((*kept, data[rest:]))


def _states_colours(marker: int, content: bytes) -> bool:
    if marker == _APP2:
        return content.startswith(_ICC) and len(content) > len(_ICC) + 2
    return (marker == _APP0 and len(content) >= _JFIF_BYTES) or marker == _APP14


# --- PNG


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The type of each chunk, and all of its bytes."""
    place = len(_PNG)
    while place < len(data):
        stop = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], data[place:stop]
        place = stop


def _bare_chunks(data: bytes) -> Iterator[bytes]:
    for kind, chunk in _chunks(data):
        if not kind[:1].islower() or (kind in _PNG_KEPT and _is_sound(kind, chunk)):
            yield chunk


def _is_sound(kind: bytes, chunk: bytes) -> bool:
    if zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
        return False
    if kind == b"iCCP":
        inflate = zlib.decompressobj()
        with suppress(zlib.error):
            inflate.decompress(chunk[8:-4].partition(b"\0")[2][1:], _MAX_PROFILE_BYTES)
        return inflate.eof
    return True


# --- TIFF


def _needless_claims(file: BinaryIO) -> list[tiff.Entry]:
    """The entries for metadata of a TIFF's first directory, if they claim far more than the file holds."""
    directory = tiff.TiffFile(file)
    size_bytes = file.seek(0, io.SEEK_END)
    needless = [entry for entry in directory.entries(directory.first)[0] if entry.tag not in PIXEL_TAGS]
    claimed_bytes = sum(entry.claimed_bytes for entry in needless)
    return needless if claimed_bytes > max(size_bytes, MAX_CLAIMED_BYTES) else []


def _bare_tiff(data: bytes) -> io.BytesIO | None:
    """The same file, whose entries for metadata have no type, so that readers skip them."""
    bare = io.BytesIO(data)
    needless = _needless_claims(bare)
    for entry in needless:
        bare.seek(entry.place + 2)
        bare.write(b"\0\0")
    bare.seek(0)
    return bare if needless else None
