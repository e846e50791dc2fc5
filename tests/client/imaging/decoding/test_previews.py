"""Camera raw files and other containers: a preview is never taken for the photograph."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support.picture_files import file_of
from support.raw_files import CFA, LINEAR_RAW, Picture, tiff_of_pictures

from tuft.errors import ImageError, NotAnImageError
from tuft.imaging import IsolatedDecoder, load_photo

if TYPE_CHECKING:
    from numpy.typing import NDArray

SENSOR = np.arange(60 * 80, dtype=np.uint16).reshape(60, 80)
DNG_VERSION = {50_706: (1, (1, 4, 0, 0))}


def thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture[::2, ::2].copy()


def raw_files(picture: NDArray[np.uint8]) -> dict[str, bytes]:
    small, sensor = Picture(thumbnail(picture), reduced=True), Picture(SENSOR, CFA)
    return {
        "NEF, DNG, ARW: thumbnail first, sensor within": tiff_of_pictures(
            Picture(thumbnail(picture), reduced=True, more=DNG_VERSION, within=[sensor])
        ),
        "of the other byte order": tiff_of_pictures(
            Picture(thumbnail(picture), reduced=True, within=[sensor]), order=">"
        ),
        "thumbnail not called one": tiff_of_pictures(Picture(thumbnail(picture), within=[Picture(picture), sensor])),
        "PEF: the sensor is the first page": tiff_of_pictures(sensor, small),
        "sensor on a later page": tiff_of_pictures(small, sensor),
        "linear DNG": tiff_of_pictures(small, Picture(np.dstack([SENSOR] * 3), LINEAR_RAW)),
        "CR2": tiff_of_pictures(Picture(picture), small, mark=b"CR\x02\0" + bytes(4)),
        "IIQ": tiff_of_pictures(Picture(picture), mark=b"IIII" + bytes(4)),
        "RW2": b"IIU\0\x18\0\0\0" + bytes(40),
        "ORF": b"IIRO\x08\0\0\0" + bytes(40),
        "RAF": b"FUJIFILMCCD-RAW 0201FF383501" + bytes(40),
        "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(40),
        "X3F": b"FOVb" + bytes(60),
        "CRW": b"II\x1a\0\0\0HEAPCCDR" + bytes(40),
    }


@pytest.mark.parametrize("kind", sorted(raw_files(np.zeros((40, 48, 3), np.uint8))))
def test_a_raw_file_is_told_so_and_its_preview_is_not_taken(kind: str, picture: NDArray[np.uint8]) -> None:
    with pytest.raises(NotAnImageError, match=r"camera's raw file.*: convert it to JPEG, TIFF or PNG first\.$"):
        load_photo(raw_files(picture)[kind])


def test_a_raw_file_is_told_so_in_the_sandbox(picture: NDArray[np.uint8], decoder: IsolatedDecoder) -> None:
    with pytest.raises(NotAnImageError, match="camera's raw file"):
        decoder(next(iter(raw_files(picture).values())))


def test_a_preview_of_a_larger_picture_that_cannot_be_read_is_told_so(picture: NDArray[np.uint8]) -> None:
    file = tiff_of_pictures(Picture(thumbnail(picture), reduced=True, within=[Picture(picture)]))
    with pytest.raises(NotAnImageError, match=r"only a preview of 24 × 20 pixels of its picture of 48 × 40"):
        load_photo(file)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_thumbnail_before_the_full_page_is_skipped(order: str, picture: NDArray[np.uint8]) -> None:
    small = Picture(thumbnail(picture), reduced=True)
    file = tiff_of_pictures(small, small, Picture(picture), Picture(255 - picture), order=order)
    np.testing.assert_array_equal(load_photo(file).rgb, picture)


def test_ordinary_tiffs_of_several_pictures_are_read_as_before(picture: NDArray[np.uint8]) -> None:
    first, second = Picture(picture), Picture(255 - picture)
    small = Picture(thumbnail(picture), reduced=True)
    large = Picture(np.repeat(picture, 2, axis=0))
    for file in (
        tiff_of_pictures(first),
        tiff_of_pictures(first, second),
        tiff_of_pictures(first, large),  # pages of different sizes
        tiff_of_pictures(first, small),  # a pyramid
        tiff_of_pictures(Picture(picture, within=[small, small])),  # a pyramid of another kind
        tiff_of_pictures(Picture(picture, reduced=True)),  # a thumbnail on its own is all there is
        tiff_of_pictures(Picture(picture, more=DNG_VERSION)),  # developed, with the raw file's tags
        file_of(Image.fromarray(picture), "TIFF", save_all=True, append_images=[Image.fromarray(255 - picture)]),
    ):
        np.testing.assert_array_equal(load_photo(file).rgb, picture)
    jpeg = file_of(Image.fromarray(picture), "TIFF", compression="jpeg")
    np.testing.assert_array_equal(load_photo(jpeg).rgb, np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")))


def test_directories_in_circles_and_of_noise_end_at_once(picture: NDArray[np.uint8], rng: np.random.Generator) -> None:
    file = bytearray(tiff_of_pictures(Picture(picture, within=[Picture(picture)] * 30), Picture(picture)))
    for place in rng.integers(4, len(file), 300):
        broken = bytearray(file)
        broken[place : place + 4] = rng.bytes(4)
        with suppress(ImageError):
            load_photo(bytes(broken), max_pixels=100_000)
