"""Metadata that cannot be read is left out; the photograph is read, and turned as EXIF states."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support import bombs
from support.picture_files import (
    file_of,
    jpeg_segment,
    jpeg_segments,
    png_chunks,
    png_of,
    srgb_profile,
    tiff_of,
)

from tuft.errors import ImageError
from tuft.imaging import IsolatedDecoder, load_photo
from tuft.imaging.decoding.metadata import orientation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIXTH = (274, 3, 1, 6)
BILLION = 10**9

EXIFS: dict[str, bytes] = {
    "an entry without a type": tiff_of([SIXTH, (500, 0, BILLION, 7)]),
    "an entry of an unknown type": tiff_of([SIXTH, (500, 99, BILLION, 7)]),
    "numbers that are not there": tiff_of([SIXTH, (500, 4, BILLION, 8)]),
    "bytes that are not there": tiff_of([SIXTH, (37_500, 7, 2**32 - 1, 8)]),
    "an orientation in a long": tiff_of([(274, 4, 1, 6), (500, 0, BILLION, 7)]),
    "many that claim the same bytes": tiff_of(
        [SIXTH, *[(tag, 7, 20_000, 8) for tag in range(500, 2000)]], bytes(20_000)
    ),
}


def with_exif(file: bytes, exif: bytes) -> bytes:
    if file.startswith(b"\x89PNG"):
        first, *others = png_chunks(file)
        return png_of([first, (b"eXIf", exif), *others])
    first_segment, *other_segments = jpeg_segments(file)
    return b"".join([first_segment, jpeg_segment(0xE1, b"Exif\0\0" + exif), *other_segments])


@pytest.mark.parametrize("kind", EXIFS)
@pytest.mark.parametrize("pillow_format", ["JPEG", "PNG", "WEBP"])
def test_an_editors_exif_is_left_out_but_the_orientation(
    kind: str, pillow_format: str, picture: NDArray[np.uint8]
) -> None:
    image = Image.fromarray(picture)
    if pillow_format == "WEBP":
        file = file_of(image, "WEBP", exif=b"Exif\0\0" + EXIFS[kind])
    else:
        file = with_exif(file_of(image, pillow_format), EXIFS[kind])
    plain = load_photo(file_of(image, pillow_format)).rgb
    np.testing.assert_array_equal(load_photo(file).rgb, np.rot90(plain, -1))


def test_so_it_is_in_the_sandbox(picture: NDArray[np.uint8], decoder: IsolatedDecoder) -> None:
    plain = file_of(Image.fromarray(picture), "JPEG")
    file = with_exif(plain, EXIFS["numbers that are not there"])
    np.testing.assert_array_equal(decoder(file).rgb, np.rot90(load_photo(plain).rgb, -1))


@pytest.mark.parametrize("kind", [0, 3, 4, 7, 99])
@pytest.mark.parametrize("count", [200_000, BILLION])
def test_a_tiff_is_read_whatever_its_private_tags_claim(kind: int, count: int) -> None:
    photo = load_photo(bombs.grey_tiff(8, 8, (50_000, kind, count, 8), (274, 3, 1, 3)))
    np.testing.assert_array_equal(photo.rgb, np.full((8, 8, 3), 128))


def broken_checksum(chunk: tuple[bytes, bytes]) -> bytes:
    return struct.pack(">I", len(chunk[1])) + chunk[0] + chunk[1] + b"\0\0\0\0"


def spoiled(kind: bytes, content: bytes) -> Callable[[bytes], bytes]:
    def spoil(file: bytes) -> bytes:
        return file[:33] + broken_checksum((kind, content)) + file[33:]

    return spoil


def added(kind: bytes, content: bytes) -> Callable[[bytes], bytes]:
    def add(file: bytes) -> bytes:
        first, *others = png_chunks(file)
        return png_of([first, (kind, content), *others])

    return add


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "text with a wrong checksum": spoiled(b"tEXt", b"Comment\0edited in place"),
    "EXIF with a wrong checksum": spoiled(b"eXIf", b"II*\0"),
    "a profile with a wrong checksum": spoiled(b"iCCP", b"a\0\0" + zlib.compress(srgb_profile())),
    "text of megabytes": added(b"zTXt", b"Workflow\0\0" + zlib.compress(bytes(3_000_000))),
    "international text of megabytes": added(b"iTXt", b"XML\0\1\0\0\0" + zlib.compress(bytes(3_000_000))),
    "a profile that swells": added(b"iCCP", b"a\0\0" + zlib.compress(bytes(30_000_000))),
    "a time of five bytes": added(b"tIME", b"12345"),
    "a density of one byte": added(b"pHYs", b"1"),
    "a gamma of one byte": added(b"gAMA", b"1"),
    "chromaticities of one byte": added(b"cHRM", b"1"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_stands_beside_the_pixels_of_a_png_cannot_make_it_unreadable(
    how: str, picture: NDArray[np.uint8], png: bytes
) -> None:
    np.testing.assert_array_equal(load_photo(SPOILED[how](png)).rgb, picture)


def test_without_its_text_a_png_keeps_its_transparency_and_its_profile(picture: NDArray[np.uint8]) -> None:
    image = Image.fromarray(picture)
    options = {"icc_profile": srgb_profile(), "transparency": tuple(picture[0, 0].tolist())}
    photo = load_photo(spoiled(b"tEXt", b"a\0b")(file_of(image, "PNG", **options)))
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha == 0, (picture == picture[0, 0]).all(axis=2))
    palette = image.quantize(8)
    file = spoiled(b"tEXt", b"a\0b")(file_of(palette, "PNG", transparency=3))
    alpha = load_photo(file).alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha == 0, np.asarray(palette) == 3)


@pytest.mark.parametrize(
    "segment",
    [
        jpeg_segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + struct.pack("<HHHLL", 1, 0xB002, 7, BILLION, 8)),
        jpeg_segment(0xE2, b"MPF\0garbage"),
        jpeg_segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04"),
        jpeg_segment(0xE0, b"JFIF\0"),
        jpeg_segment(0xE2, b"ICC_PROFILE\0\1"),
        jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta"),
    ],
)
def test_what_stands_beside_the_pixels_of_a_jpeg_cannot_make_it_unreadable(
    segment: bytes, picture: NDArray[np.uint8]
) -> None:
    file = file_of(Image.fromarray(picture), "JPEG")
    first, *others = jpeg_segments(file)
    np.testing.assert_array_equal(load_photo(b"".join([first, segment, *others])).rgb, load_photo(file).rgb)


def test_inks_stay_inks_without_metadata(picture: NDArray[np.uint8]) -> None:
    inks = file_of(Image.fromarray(picture).convert("CMYK"), "JPEG")
    file = with_exif(inks, EXIFS["bytes that are not there"])
    np.testing.assert_array_equal(load_photo(file).rgb, np.rot90(load_photo(inks).rgb, -1))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_pixels_that_are_missing_are_still_told(share: float, picture: NDArray[np.uint8]) -> None:
    file = spoiled(b"tEXt", b"a\0b")(file_of(Image.fromarray(picture), "PNG"))
    with pytest.raises(ImageError):
        load_photo(file[: int(len(file) * share)])


def test_the_orientation_of_any_bytes_is_a_number(rng: np.random.Generator) -> None:
    for start in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"Exif\0\0II*\0\x08\0\0\0"):
        for length in range(0, 60, 3):
            assert isinstance(orientation_of(start + rng.bytes(length)), int)
    assert orientation_of(tiff_of([(274, 3, 1, 8)])) == 8
    assert orientation_of(b"Exif\0\0" + tiff_of([(274, 3, 1, 8)])) == 8
