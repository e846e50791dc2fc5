"""Decompression bombs: small files that claim or cost far more than their size."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image

from support.picture_files import (
    box,
    file_of,
    jpeg_segment,
    jpeg_segments,
    png_chunks,
    png_of,
    riff_chunks,
    srgb_profile,
    tiff_of,
    webp_of,
)

GREY = Image.new("L", (8, 8), 128)


# --- JPEG


def scan_bomb(side: int = 2000, scans: int = 400, *, between: bytes = b"", progressive: bool = True) -> bytes:
    """A JPEG whose last scan, of a few bytes, is repeated, each time after `between`."""
    file = file_of(Image.new("RGB", (side, side), (128, 128, 128)), "JPEG", progressive=progressive)
    start = file.rfind(b"\xff\xc4") if progressive else file.rfind(b"\xff\xda")
    return file[:-2] + (between + file[start:-2]) * scans + b"\xff\xd9"


def segments_bomb(count: int, content: bytes) -> bytes:
    first, *others = jpeg_segments(file_of(GREY, "JPEG"))
    return b"".join([first, jpeg_segment(0xE1, content) * count, *others])


# --- PNG


def with_png_chunks(*chunks: tuple[bytes, bytes], at: int = 1) -> bytes:
    own = png_chunks(file_of(GREY, "PNG"))
    return png_of([*own[:at], *chunks, *own[at:]])


def png_of_size(width: int, height: int, data: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return png_of([(b"IHDR", header), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b"")])


# --- GIF


def gif_with(extensions: bytes) -> bytes:
    """A GIF with `extensions` before its picture."""
    file = file_of(Image.new("P", (8, 8)), "GIF")
    start = 13 + (3 << (file[10] & 7) + 1 if file[10] & 0x80 else 0)
    return file[:start] + extensions + file[start:]


def gif_of_size(width: int, height: int) -> bytes:
    file = bytearray(file_of(Image.new("P", (8, 8)), "GIF"))
    file[6:10] = struct.pack("<HH", width, height)
    return bytes(file)


def gif_of_frames(count: int) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour).convert("P") for colour in ("red", "blue")]
    file = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    start = file.rfind(b"\x21\xf9")
    return file[:start] + file[start:-1] * count + b";"


# --- WebP, AVIF


def webp_of_frames(count: int) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    chunks = riff_chunks(file_of(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    return webp_of([*chunks, *[chunk for chunk in chunks if chunk[0] == b"ANMF"][-1:] * count])


def avif_of_items(count: int) -> bytes:
    """An AVIF that names `count` items more than it needs."""
    file = file_of(Image.new("RGB", (16, 16)), "AVIF")
    start = file.index(b"iinf") - 4
    end = start + int.from_bytes(file[start : start + 4], "big")
    own = int.from_bytes(file[start + 12 : start + 14], "big")
    items = b"".join(box(b"infe", b"\2\0\0\0" + struct.pack(">HH", item + 10, 0) + b"none\0") for item in range(count))
    table = box(b"iinf", file[start + 8 : start + 12] + struct.pack(">H", own + count) + file[start + 14 : end] + items)
    more = len(table) - (end - start)
    data = file.index(b"mdat") + 4
    file = file[:start] + table + file[end:].replace(struct.pack(">I", data), struct.pack(">I", data + more))
    meta = file.index(b"meta") - 4
    size = int.from_bytes(file[meta : meta + 4], "big") + more
    moved = file[:start].replace(struct.pack(">I", data), struct.pack(">I", data + more)) + file[start:]
    return moved[:meta] + struct.pack(">I", size) + moved[meta + 4 :]


# --- TIFF


def grey_tiff(
    width: int, height: int, *more: tuple[int, int, int, int], data_bytes: int = 64, next_directory: int = 0
) -> bytes:
    """Eight bits of grey in one strip of `data_bytes` at offset 8; `more` replaces or adds entries."""
    given = {tag for tag, *_ in more}
    entries = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (278, 4, 1, height), (279, 4, 1, data_bytes)]
    entries = [entry for entry in entries if entry[0] not in given]
    return tiff_of([*entries, *more], b"\x80" * data_bytes, next_directory=next_directory)


def tiff_of_tiles(count: int) -> bytes:
    """A TIFF of `count` tiles of 16 × 16 pixels, all at the same offset."""
    places = struct.pack("<I", 8) * count + struct.pack("<I", 256) * count
    tiles = [(322, 4, 1, 16), (323, 4, 1, 16), (324, 4, count, 264), (325, 4, count, 264 + 4 * count)]
    size = [(256, 4, 1, 16 * 400), (257, 4, 1, 16 * (count // 400))]
    kind = [(258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    return tiff_of([*size, *kind, *tiles], b"\x80" * 256 + places)


def directory_bomb(*, tags: int = 60_000, data_bytes: int = 1_000_000) -> bytes:
    """A directory of thousands of tags that all claim the same bytes: a TIFF, or the content of EXIF."""
    return tiff_of([(tag, 7, data_bytes, 8) for tag in range(1000, 1000 + tags)], b"\0" * data_bytes)


HEXADECIMAL = b"\nexif\n  1\n" + directory_bomb(tags=10_000, data_bytes=100_000).hex().encode()


def in_segments(exif: bytes) -> bytes:
    """A JPEG with more EXIF than fits into one segment."""
    first, *others = jpeg_segments(file_of(GREY, "JPEG"))
    pieces = [exif[start : start + 60_000] for start in range(0, len(exif), 60_000)]
    return b"".join([first, *[jpeg_segment(0xE1, b"Exif\0\0" + piece) for piece in pieces], *others])


# --- ICC profiles


def srgb_with(*tags: tuple[bytes, bytes]) -> bytes:
    """The sRGB profile with additional tags."""
    profile = srgb_profile()
    count = int.from_bytes(profile[128:132], "big")
    start = 132 + 12 * (count + len(tags))
    table, body = b"", profile[132 + 12 * count :]
    for entry in range(132, 132 + 12 * count, 12):
        place, size = struct.unpack(">II", profile[entry + 4 : entry + 12])
        table += profile[entry : entry + 4] + struct.pack(">II", place + 12 * len(tags), size)
    for name, data in tags:
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    profile = profile[:128] + struct.pack(">I", count + len(tags)) + table + body
    return struct.pack(">I", len(profile)) + profile[4:]


def endless_stages(count: int) -> bytes:
    """The content of a D2Bx tag: `count` stages, all of them the same set of curves."""
    segment = b"parf" + struct.pack(">IHH4f", 0, 0, 0, 1.0001, 1, 0, 0)
    curve = b"curf" + struct.pack(">IHH", 0, 1, 0) + segment
    curves = b"cvst" + struct.pack(">IHH", 0, 3, 3) + struct.pack(">II", 36, len(curve)) * 3 + curve
    return (
        b"mpet"
        + struct.pack(">IHHI", 0, 3, 3, count)
        + struct.pack(">II", 16 + 8 * count, len(curves)) * count
        + curves
    )


def labelled_png(profile: bytes) -> bytes:
    return file_of(Image.fromarray(np.full((8, 8, 3), (10, 100, 200), np.uint8)), "PNG", icc_profile=profile)
