"""The directories of a TIFF file, which also EXIF is: what they say of its pictures, without Pillow."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from tuft.errors import NotAnImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

STARTS: Final = (b"II", b"MM")
# Bytes of each type of value in TIFF 6.0 and BigTIFF. Readers skip entries of other types.
VALUE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_INTEGERS: Final = {1: "B", 3: "H", 4: "L", 13: "L", 16: "Q"}
MAX_ENTRIES: Final = 65_535
# Pages, and pictures within a page, that are looked at, and their entries. Raw files have up to five.
_MAX_DIRECTORIES: Final = 64
_MAX_STATED: Final = 1_000

_SUBFILE_TYPE, _WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SUB_IFDS = 254, 256, 257, 259, 262, 274, 330
_REDUCED: Final = 1  # bit of NewSubfileType: a smaller version of another picture in the file
# What a sensor has measured: colour filter array (TIFF/EP), linear raw (DNG); compressions of Sony and Nikon.
_RAW_PHOTOMETRICS: Final = (32_803, 34_892)
_RAW_COMPRESSIONS: Final = (32_767, 34_713)
# The marks of Canon's CR2 and Phase One's IIQ behind a TIFF header.
_RAW_MARKS: Final = (b"CR\x02\0", b"IIII", b"MMMM")


@dataclass(frozen=True)
class Entry:
    """One entry of a directory.

    Attributes:
        place: Its position in the file.
        tag: What it states.
        kind: The type of its values.
        count: How many values it has.
        value: The values, or where they are.
    """

    place: int
    tag: int
    kind: int
    count: int
    value: bytes

    @property
    def claimed_bytes(self) -> int:
        """Size of its values; 0 for a type that readers skip."""
        return self.count * VALUE_BYTES.get(self.kind, 0)


class TiffFile:
    """Reads the directories of a TIFF, at the start of `file`.

    Raises:
        struct.error: The header is damaged.
    """

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        head = file.read(16)
        self._file = file
        self._order = "<" if head.startswith(b"II") else ">"
        self._big = head[2:3] == b"+"  # as Pillow recognises BigTIFF
        self.mark = head[8:12]
        self.first = self._number("Q" if self._big else "L", head[8 if self._big else 4 :])

    def entries(self, place: int, most: int = MAX_ENTRIES) -> tuple[list[Entry], int]:
        """The first entries of the directory at `place`, and the place of the next, which is 0 after the last."""
        form = struct.Struct(self._order + ("HHQ8s" if self._big else "HHL4s"))
        start = place + (8 if self._big else 2)
        self._file.seek(place)
        count = self._number("Q" if self._big else "H", self._file.read(8))
        self._file.seek(start)
        data = self._file.read(min(count, most) * form.size)
        whole = data[: len(data) // form.size * form.size]
        entries = [Entry(start + i * form.size, *values) for i, values in enumerate(form.iter_unpack(whole))]
        self._file.seek(start + count * form.size)
        after = self._file.read(8)
        return entries, self._number("Q" if self._big else "L", after) if len(after) >= 4 + 4 * self._big else 0

    def integers(self, entry: Entry, most: int = 1) -> tuple[int, ...]:
        """The first values of an entry, at most `most`; none if they are no integers."""
        if entry.kind not in _INTEGERS:
            return ()
        count = min(entry.count, most)
        data = entry.value
        if entry.claimed_bytes > len(data):
            self._file.seek(self._number("Q" if self._big else "L", data))
            data = self._file.read(count * VALUE_BYTES[entry.kind])
        return struct.unpack_from(f"{self._order}{count}{_INTEGERS[entry.kind]}", data)

    def _number(self, form: str, data: bytes) -> int:
        number: int = struct.unpack_from(self._order + form, data)[0]
        return number


def orientation(file: BinaryIO) -> int:
    """The orientation that the first directory states; 1 without it."""
    with suppress(struct.error, OSError, OverflowError):
        tiff = TiffFile(file)
        for entry in tiff.entries(tiff.first)[0]:
            if entry.tag == _ORIENTATION:
                return (*tiff.integers(entry), 1)[0]
    return 1


@dataclass(frozen=True)
class _Picture:
    """What a directory states of its picture; `page` is None for a picture within a page."""

    page: int | None
    width: int
    height: int
    reduced: bool
    raw: bool

    @property
    def pixels(self) -> int:
        return self.width * self.height


def full_page(file: BinaryIO, name: str) -> int:
    """The page of a TIFF to read, counted from 0: the first one, unless it is a smaller version of another.

    Raises:
        NotAnImageError: It is a camera's raw file, or all pages are smaller versions of a picture within a page.
    """
    pictures: list[_Picture] = []
    with suppress(struct.error, OSError, OverflowError):  # damaged: the decoder reports it
        tiff = TiffFile(file)
        if tiff.mark in _RAW_MARKS:
            raise raw_file(name)
        pictures.extend(_pictures(tiff))
    file.seek(0)
    if any(picture.raw for picture in pictures):
        raise raw_file(name)
    pages = [picture for picture in pictures if picture.page is not None]
    page = next((picture for picture in pages if not picture.reduced), pages[0] if pages else None)
    if page is None or page.page is None:
        return 0
    full = max(pictures, key=lambda picture: picture.pixels)
    if full.page is None and not full.reduced and full.pixels > page.pixels:
        raise NotAnImageError(
            f"{name} shows only a preview of {page.width} × {page.height} pixels of its picture of "
            f"{full.width} × {full.height}: convert it to JPEG, PNG or a plain TIFF first."
        )
    return page.page


def raw_file(name: str) -> NotAnImageError:
    """The error for a camera's raw file."""
    return NotAnImageError(
        f"{name} is a camera's raw file, which tuft does not develop: convert it to JPEG, TIFF or PNG first."
    )


def _pictures(tiff: TiffFile) -> Iterator[_Picture]:
    """The picture of each directory, and of those within it."""
    place, page, seen = tiff.first, 0, set[int]()
    while place and place not in seen and len(seen) < _MAX_DIRECTORIES:
        seen.add(place)
        entries, following = tiff.entries(place, _MAX_STATED)
        yield _picture(tiff, entries, page)
        for entry in entries:
            if entry.tag == _SUB_IFDS:
                within = set(tiff.integers(entry, _MAX_DIRECTORIES - len(seen))) - seen
                seen |= within
                for inner in sorted(within):
                    yield _picture(tiff, tiff.entries(inner, _MAX_STATED)[0], None)
        place, page = following, page + 1


def _picture(tiff: TiffFile, entries: list[Entry], page: int | None) -> _Picture:
    wanted = (_SUBFILE_TYPE, _WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC)
    stated = {entry.tag: (*tiff.integers(entry), 0)[0] for entry in entries if entry.tag in wanted}
    return _Picture(
        page,
        stated.get(_WIDTH, 0),
        stated.get(_HEIGHT, 0),
        reduced=bool(stated.get(_SUBFILE_TYPE, 0) & _REDUCED),
        raw=stated.get(_PHOTOMETRIC) in _RAW_PHOTOMETRICS or stated.get(_COMPRESSION) in _RAW_COMPRESSIONS,
    )
