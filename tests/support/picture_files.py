"""Small valid files of every kind that tuft reads, and functions to split and join their parts."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

ORIENTATION = 0x0112


def file_of(image: Image.Image, pillow_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, pillow_format, **options)
    return file.getvalue()


def files_of_every_kind(picture: NDArray[np.uint8]) -> dict[str, bytes]:
    """`picture` (H, W, 3) in every kind of file; lossy, grey and palette files are only similar."""
    image = Image.fromarray(picture)
    palette, turned = image.convert("P"), image.transpose(Image.Transpose.ROTATE_180)
    files = {
        "jpeg": file_of(image, "JPEG"),
        "progressive jpeg": file_of(image, "JPEG", progressive=True),
        "cmyk jpeg": file_of(image.convert("CMYK"), "JPEG"),
        "mpo": file_of(image, "MPO", save_all=True, append_images=[turned]),
        "png": file_of(image, "PNG"),
        "rgba png": file_of(image.convert("RGBA"), "PNG"),
        "16-bit png": cv2.imencode(".png", picture[..., ::-1].astype(np.uint16) * 257)[1].tobytes(),
        "webp": file_of(image, "WEBP"),
        "lossless webp": file_of(image, "WEBP", lossless=True),
        "tiff": file_of(image, "TIFF"),
        "lzw tiff": file_of(image, "TIFF", compression="tiff_lzw"),
        "bmp": file_of(image, "BMP"),
        "gif": file_of(palette, "GIF"),
        "animated gif": file_of(palette, "GIF", save_all=True, append_images=[turned.convert("P")]),
        "ppm": file_of(image, "PPM"),
        "16-bit ppm": cv2.imencode(".ppm", picture[..., ::-1].astype(np.uint16) * 257)[1].tobytes(),
    }
    if "AVIF" in Image.SAVE:
        files["avif"] = file_of(image, "AVIF")
    return files


def more_files(picture: NDArray[np.uint8]) -> dict[str, bytes]:
    """Rarer kinds, and some with metadata."""
    image = Image.fromarray(picture)
    turned = image.transpose(Image.Transpose.ROTATE_180)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    labelled = {
        "exif": exif.tobytes(),
        "icc_profile": srgb_profile(),
    }
    grey = image.convert("L")
    files = {
        "labelled jpeg": file_of(image, "JPEG", **labelled),
        "labelled png": file_of(image, "PNG", **labelled),
        "labelled webp": file_of(image, "WEBP", **labelled),
        "labelled tiff": file_of(image, "TIFF", **labelled),
        "grey png": file_of(grey, "PNG"),
        "bits png": file_of(image.convert("1"), "PNG"),
        "palette png": file_of(image.quantize(16), "PNG", transparency=3),
        "animated png": file_of(image, "PNG", save_all=True, append_images=[turned]),
        "animated webp": file_of(image, "WEBP", save_all=True, append_images=[turned]),
        "alpha webp": file_of(_with_alpha(image), "WEBP"),
        "deflated tiff": file_of(image, "TIFF", compression="tiff_adobe_deflate"),
        "packed tiff": file_of(image, "TIFF", compression="packbits"),
        "jpeg tiff": file_of(image, "TIFF", compression="jpeg"),
        "big tiff": file_of(image, "TIFF", big_tiff=True),
        "fax tiff": file_of(image.convert("1"), "TIFF", compression="group4"),
        "float tiff": file_of(Image.fromarray((picture[..., 0] / 255).astype(np.float32)), "TIFF"),
        "palette bmp": file_of(image.quantize(16), "BMP"),
        "run-length bmp": run_length_bmp(picture[..., 1]),
        "pbm": file_of(image.convert("1"), "PPM"),
        "plain ppm": b"P3 %d %d # text\n255\n" % image.size + " ".join(map(str, picture.ravel().tolist())).encode(),
        "plain pgm": b"P2\n%d %d\n200\n" % image.size + " ".join(map(str, (picture[..., 0] // 2).ravel())).encode(),
        "plain pbm": b"P1\n%d %d\n" % image.size + b"".join(b"%d" % bit for bit in (picture[..., 0] > 99).ravel()),
        "100-level pgm": b"P5 %d %d 100\n" % image.size + (picture[..., 0] // 3).tobytes(),
    }
    if "AVIF" in Image.SAVE:
        files["labelled avif"] = file_of(image, "AVIF", **labelled)
        files["animated avif"] = _dateless(file_of(image, "AVIF", save_all=True, append_images=[turned]))
    return files


def srgb_profile() -> bytes:
    """The profile of sRGB without a date, so that its bytes are reproducible."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + bytes(12) + profile[36:]


def _dateless(animation: bytes) -> bytes:
    """An AVIF without creation and modification times (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2)."""
    for kind in (b"mvhd\1", b"tkhd\1", b"mdhd\1"):
        before, header, after = animation.partition(kind)
        animation = before + header + after[:3] + bytes(16) + after[19:]
    return animation


def _with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(image.getchannel("R"))
    return image


def run_length_bmp(
    levels: NDArray[np.uint8] | None = None, *, size: tuple[int, int] = (1, 1), body: bytes = b""
) -> bytes:
    """A BMP of grey `levels` (H, W) in run lengths of one pixel, or with any width, height and body."""
    if levels is not None:
        size = (levels.shape[1], levels.shape[0])
        runs = [b"".join(bytes((1, level)) for level in row) for row in levels[::-1]]
        body = b"\0\0".join(runs) + b"\0\1"
    palette = b"".join(bytes((level, level, level, 0)) for level in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, *size, 1, 8, 1, len(body), 0, 0, 256, 0)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + palette + body


# --- PNG: chunks


def png_chunks(file: bytes) -> list[tuple[bytes, bytes]]:
    """The type and the content of each chunk."""
    chunks, place = [], 8
    while place + 8 <= len(file):
        length = int.from_bytes(file[place : place + 4], "big")
        chunks.append((file[place + 4 : place + 8], file[place + 8 : place + 8 + length]))
        place += 12 + length
    return chunks


def png_of(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A PNG of these chunks, with valid checksums."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


# --- JPEG: segments; all data after the header of the first scan is the last of them


def jpeg_segments(file: bytes) -> list[bytes]:
    segments, place = [file[:2]], 2
    while file[place + 1] != 0xDA:
        length = 2 + int.from_bytes(file[place + 2 : place + 4], "big")
        segments.append(file[place : place + length])
        place += length
    return [*segments, file[place:]]


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(content)) + content


# --- WebP: chunks of a RIFF


def riff_chunks(file: bytes) -> list[tuple[bytes, bytes]]:
    chunks, place = [], 12
    while place + 8 <= len(file):
        length = int.from_bytes(file[place + 4 : place + 8], "little")
        chunks.append((file[place : place + 4], file[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return chunks


def webp_of(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


# --- TIFF: a minimal little-endian grey file


def tiff_of(entries: Iterable[tuple[int, int, int, int]], data: bytes = b"", *, next_directory: int = 0) -> bytes:
    """A TIFF whose directory, after `data` at offset 8, has `entries` (tag, type, count, value or offset)."""
    rows = sorted(entries)
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(data))
        + data
        + struct.pack("<H", len(rows))
        + b"".join(struct.pack("<HHII", *row) for row in rows)
        + struct.pack("<I", next_directory)
    )


# --- AVIF: boxes


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content
