"""Decompression bombs: each gives the right result or a typed error, in bounded time and memory.

A sandboxed worker with little memory and time decodes them, so files that the structure check misses are detected.
"""

from __future__ import annotations

import io
import time
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support import bombs
from support.picture_files import ORIENTATION, file_of, files_of_every_kind, jpeg_segment, more_files, run_length_bmp

from tuft.errors import ImageTooLargeError, NotAnImageError, TruncatedImageError
from tuft.imaging import IsolatedDecoder, load_photo
from tuft.imaging.decoding import colour
from tuft.imaging.decoding.bombs import check_structure, harmless_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

MEMORY_BYTES = 600_000_000
SECONDS = 20.0
ZEROS = zlib.compress(bytes(50_000_000), 9)


@pytest.fixture(scope="module")
def decoder() -> Iterator[IsolatedDecoder]:
    with IsolatedDecoder(workers=1, timeout_s=SECONDS, memory_bytes=MEMORY_BYTES) as made:
        yield made


TOO_LARGE: dict[str, tuple[Callable[[], bytes], str]] = {
    "JPEG of endless scans": (lambda: bombs.scan_bomb(1000, 150), "100 scans"),
    "baseline JPEG of endless scans": (lambda: bombs.scan_bomb(200, 150, progressive=False), "100 scans"),
    "scans behind a false end": (
        lambda: bombs.scan_bomb(200, 150, between=jpeg_segment(0xFE, b"\xff\xd9")),
        "100 scans",
    ),
    "scans behind filling bytes": (lambda: bombs.scan_bomb(200, 150, between=b"\xff" * 5), "100 scans"),
    "JPEG of many segments": (lambda: bombs.segments_bomb(10_001, b""), "10000 segments"),
    "PNG of many chunks": (lambda: bombs.with_png_chunks(*[(b"teST", b"")] * 100_001), "100000 chunks"),
    "PNG of many chunks after its picture": (
        lambda: bombs.with_png_chunks(*[(b"teST", b"")] * 100_001, at=2),
        "100000 chunks",
    ),
    "PNG that claims 65,535²": (lambda: bombs.png_of_size(65_535, 65_535), "more than the 100000000 pixels allowed"),
    "PNG that claims 2³¹": (lambda: bombs.png_of_size(2**31 - 1, 2**31 - 1), "smaller"),
    "PNG that claims 12,000²": (lambda: bombs.png_of_size(12_000, 12_000), "12000 × 12000 pixels"),
    "GIF that claims 65,535²": (lambda: bombs.gif_of_size(65_535, 65_535), "smaller"),
    "TIFF that claims 65,535²": (lambda: bombs.grey_tiff(65_535, 65_535), "smaller"),
    "TIFF that claims 2³²": (lambda: bombs.grey_tiff(2**32 - 1, 2**32 - 1), "smaller"),
    "TIFF of strips that claim gigabytes": (
        lambda: bombs.grey_tiff(8, 8, (273, 4, 100_000, 8), (279, 4, 2**32 - 1, 8)),
        "strips or tiles",
    ),
    "TIFF of many tiles": (lambda: bombs.tiff_of_tiles(100_400), "100000 strips or tiles"),
    "BMP of endless lines": (
        lambda: run_length_bmp(size=(10_000, 10_000), body=b"\1\1\0\0" * 10_000),
        "16000000 pixels",
    ),
    "BMP of wide jumps": (lambda: run_length_bmp(size=(70_000, 2), body=b"\0\2\xff\xff" * 10), "65535 a row"),
    "BMP that claims 2³¹": (lambda: run_length_bmp(size=(2**31 - 1, -(2**31))), "run lengths"),
    "AVIF of many items": (lambda: bombs.avif_of_items(5000), "65536 bytes of item tables"),
    "PPM that claims 65,535²": (lambda: b"P6 65535 65535 255\n", "smaller"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_would_take_too_long_is_refused_unseen(name: str, decoder: IsolatedDecoder) -> None:
    make, reason = TOO_LARGE[name]
    with pytest.raises(ImageTooLargeError, match=reason):
        decoder(make())


DAMAGED: dict[str, Callable[[], bytes]] = {
    "PNG with nothing in it": lambda: bombs.png_of_size(9000, 9000),
    "TIFF with nothing in it": lambda: bombs.grey_tiff(9000, 9000),
    "deflated TIFF with nothing in it": lambda: bombs.grey_tiff(9000, 9000, (259, 3, 1, 8)),
    "PPM with a long number": lambda: b"P6 99999999999 1 255\n",
    "PPM with a long level": lambda: b"P3 1 1 255 " + b"9" * 1_000_000,
    "PPM of negative levels": lambda: b"P3 1 1 255 -1 -1 -1 ",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_told_so(name: str, decoder: IsolatedDecoder) -> None:
    with pytest.raises(TruncatedImageError, match="get it anew"):
        decoder(DAMAGED[name]())


@pytest.mark.parametrize(
    "content",
    [
        b"P6 -5 -5 255\n",
        b"P5 0 0 255\n",
        bombs.grey_tiff(8, 8, (277, 3, 1, 65_535)),
        bombs.directory_bomb(),
        b"\x93NUMPY\1\0v\0",
        b"SIMPLE  =                    T",
        b"%PDF-1.7",
    ],
)
def test_what_is_no_picture_is_told_so(content: bytes, decoder: IsolatedDecoder) -> None:
    with pytest.raises(NotAnImageError):
        decoder(content)


HARMLESS: dict[str, tuple[Callable[[], bytes], tuple[int, int]]] = {
    "JPEG of many comments": (lambda: bombs.segments_bomb(9000, b"x"), (8, 8)),
    "JPEG of many EXIFs": (lambda: bombs.segments_bomb(9_000, b"Exif\0\0"), (8, 8)),
    "JPEG of EXIF that claims gigabytes": (
        lambda: bombs.segments_bomb(1, b"Exif\0\0" + bombs.directory_bomb(tags=4000, data_bytes=10_000)),
        (8, 8),
    ),
    "JPEG of EXIF in pieces that claims gigabytes": (
        lambda: bombs.in_segments(bombs.directory_bomb(tags=4000, data_bytes=100_000)),
        (8, 8),
    ),
    "TIFF of tags that claim gigabytes": (
        lambda: bombs.grey_tiff(8, 8, *[(tag, 7, 100_000, 8) for tag in range(1000, 30_000)], data_bytes=100_000),
        (8, 8),
    ),
    "PNG whose zTXt swells": (lambda: bombs.with_png_chunks((b"zTXt", b"a\0\0" + ZEROS)), (8, 8)),
    "PNG of many that swell": (
        lambda: bombs.with_png_chunks(*[(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**6)))] * 70),
        (8, 8),
    ),
    "PNG whose iTXt swells": (lambda: bombs.with_png_chunks((b"iTXt", b"a\0\1\0\0\0" + ZEROS)), (8, 8)),
    "PNG whose profile swells": (lambda: bombs.with_png_chunks((b"iCCP", b"a\0\0" + ZEROS)), (8, 8)),
    "JPEG of large EXIFs": (lambda: bombs.segments_bomb(64, b"Exif\0\0" + bytes(65_000)), (8, 8)),
    "PNG whose pixels swell": (lambda: bombs.png_of_size(16, 16, bytes(50_000_000)), (16, 16)),
    "PNG with a directory that claims gigabytes": (
        lambda: bombs.with_png_chunks((b"eXIf", bombs.directory_bomb())),
        (8, 8),
    ),
    "PNG with one in hexadecimal": (
        lambda: bombs.with_png_chunks((b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bombs.HEXADECIMAL))),
        (8, 8),
    ),
    "WebP with one": (
        lambda: file_of(bombs.GREY, "WEBP", exif=b"Exif\0\0" + bombs.directory_bomb(tags=4000, data_bytes=10_000)),
        (8, 8),
    ),
    "GIF of many frames": (lambda: bombs.gif_of_frames(50_000), (8, 8)),
    "GIF of many extensions": (lambda: bombs.gif_with(b"\x21\xfe\0" * 100_000), (8, 8)),
    "GIF of a long comment": (lambda: bombs.gif_with(b"\x21\xfe" + (b"\xff" * 256) * 20_000 + b"\0"), (8, 8)),
    "WebP of many frames": (lambda: bombs.webp_of_frames(100_000), (8, 8)),
    "TIFF whose directories go in a circle": (lambda: bombs.grey_tiff(8, 8, next_directory=72), (8, 8)),
    "BMP of wide jumps": (lambda: run_length_bmp(size=(60_000, 2), body=b"\0\2\xff\xff" * 10), (2, 60_000)),
    "PPM of many comments": (lambda: b"P3\n500 500 255\n" + b"#\n" * 300_000 + b"1 " * 750_000, (500, 500)),
    "PPM of a long comment": (lambda: b"P6\n#" + b"x" * 1_000_000 + b"\n1 1 255\nabc", (1, 1)),
    "a profile of garbage": (lambda: file_of(bombs.GREY, "JPEG", icc_profile=bytes(range(256)) * 30_000), (8, 8)),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_bad_is_read(name: str, decoder: IsolatedDecoder) -> None:
    make, size_hw = HARMLESS[name]
    assert decoder(make()).size_hw == size_hw


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_absurd_orientation_turns_nothing(orientation: int, picture: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    np.testing.assert_array_equal(load_photo(file_of(Image.fromarray(picture), "PNG", exif=exif)).rgb, picture)


def test_honest_files_are_no_bombs(picture: NDArray[np.uint8]) -> None:
    for file in {**files_of_every_kind(picture), **more_files(picture)}.values():
        check_structure(io.BytesIO(file), "it")


@pytest.mark.parametrize("start", [b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"\0\0\0\1ftyp"])
def test_files_cut_short_or_of_noise_are_left_to_their_decoder(start: bytes, rng: np.random.Generator) -> None:
    for length in range(40):
        check_structure(io.BytesIO(start + rng.bytes(length)), "it")
        check_structure(io.BytesIO(start + b"\xff" * length), "it")
        check_structure(io.BytesIO(start + b"\0" * length), "it")


# --- colour profiles


def test_a_profile_of_endless_stages_costs_nothing_and_means_what_its_other_tags_say() -> None:
    profile = bombs.srgb_with((b"D2B1", bombs.endless_stages(2000)))
    before_s = time.process_time()
    rgb = load_photo(bombs.labelled_png(profile)).rgb
    assert time.process_time() - before_s < 1
    np.testing.assert_array_equal(rgb, np.broadcast_to((10, 100, 200), (8, 8, 3)))


def test_without_care_it_would_cost_much() -> None:
    one, two = (bombs.srgb_with((b"D2B1", bombs.endless_stages(count))) for count in (1, 200))
    assert colour._transform(harmless_profile(two), "RGB") is not None
    costs = []
    for profile in (one, two):
        before_s = time.process_time()
        assert colour._transform(profile, "RGB") is not None
        costs.append(time.process_time() - before_s)
    assert costs[1] > 10 * costs[0]


def test_a_profile_without_such_tags_is_not_touched() -> None:
    profile = bombs.srgb_with((b"A2B1", b"anything"))
    assert harmless_profile(profile) == profile
    for length in (0, 100, 130, 140):
        assert harmless_profile(profile[:length]) == profile[:length]


def test_a_profile_of_more_tags_than_it_holds_is_ignored() -> None:
    profile = bombs.srgb_with()
    many = profile[:128] + b"\xff" * 4 + profile[132:]
    np.testing.assert_array_equal(load_photo(bombs.labelled_png(many)).rgb[0, 0], (10, 100, 200))
