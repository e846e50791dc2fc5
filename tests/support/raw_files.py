"""TIFF files of several pictures, as cameras write raw files, in either byte order; a few kilobytes each."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

_CODES = {1: "B", 3: "H", 4: "L"}
CFA, LINEAR_RAW, RGB = 32_803, 34_892, 2


@dataclass
class Picture:
    """A picture of one TIFF directory, in a single uncompressed strip.

    Attributes:
        pixels: uint8 or uint16 (H, W) or (H, W, 3).
        photometric: What its values mean.
        more: Further entries: tag to type and values.
        within: Pictures of its SubIFDs.
    """

    pixels: np.ndarray
    photometric: int = RGB
    reduced: bool = False
    more: dict[int, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    within: list[Picture] = field(default_factory=list)


def tiff_of_pictures(*pages: Picture, order: str = "<", mark: bytes = b"") -> bytes:
    """A TIFF of these pages; `mark` stands behind its header."""
    file = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HL", 42, 0) + mark)
    link = 4
    for page in pages:
        place, link_after = _append(file, page, order)
        struct.pack_into(order + "L", file, link, place)
        link = link_after
    return bytes(file)


def _append(file: bytearray, picture: Picture, order: str) -> tuple[int, int]:
    """Appends a picture; returns the place of its directory and of the link to the next."""
    within = tuple(_append(file, inner, order)[0] for inner in picture.within)
    height, width = picture.pixels.shape[:2]
    channels = picture.pixels.shape[2] if picture.pixels.ndim == 3 else 1
    bits = 8 * picture.pixels.itemsize
    entries: dict[int, tuple[int, tuple[int, ...]]] = {
        254: (4, (int(picture.reduced),)),
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (bits,) * channels),
        259: (3, (1,)),
        262: (3, (picture.photometric,)),
        273: (4, (len(file),)),
        277: (3, (channels,)),
        278: (4, (height,)),
        279: (4, (picture.pixels.nbytes,)),
        **({330: (4, within)} if within else {}),
        **picture.more,
    }
    file += picture.pixels.astype(picture.pixels.dtype.newbyteorder(order)).tobytes()
    file += b"\0" * (len(file) % 2)
    rows = []
    for tag, (kind, values) in sorted(entries.items()):
        data = struct.pack(f"{order}{len(values)}{_CODES[kind]}", *values)
        if len(data) > 4:
            rows.append(struct.pack(order + "HHLL", tag, kind, len(values), len(file)))
            file += data
        else:
            rows.append(struct.pack(order + "HHL", tag, kind, len(values)) + data.ljust(4, b"\0"))
    place = len(file)
    file += struct.pack(order + "H", len(rows)) + b"".join(rows) + bytes(4)
    return place, len(file) - 4
