from __future__ import annotations

import io
import os
import threading
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from support.picture_files import ORIENTATION, file_of, files_of_every_kind

from tuft import Client, FakeTransport
from tuft.errors import (
    ImageNotFoundError,
    ImageTooLargeError,
    NotAnImageError,
    OptionError,
    TruncatedImageError,
    TuftError,
)
from tuft.imaging import IsolatedDecoder, load_photo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

# The orientations of EXIF 2.32, with NumPy instead of Pillow.
UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: np.swapaxes(stored, 0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(np.swapaxes(stored, 0, 1), 2),
    8: lambda stored: np.rot90(stored, 1),
}


KINDS = sorted(files_of_every_kind(np.zeros((8, 8, 3), np.uint8)))


# --- sources


def test_path_bytes_file_picture_and_array_give_the_same(
    picture: NDArray[np.uint8], png: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png)
    with path.open("rb") as file:
        sources: list[Any] = [path, str(path), png, bytearray(png), memoryview(png), io.BytesIO(png), file]
        sources += [Image.open(path), picture]
        for source in sources:
            photo = load_photo(source)
            np.testing.assert_array_equal(photo.rgb, picture)
            assert photo.rgb.flags.c_contiguous
            assert (photo.alpha, photo.size_hw) == (None, (40, 48))


@pytest.mark.parametrize("source", ["no-such-file.png", "null\0byte.png", "", 7, None, io.StringIO("text")])
def test_what_is_no_file_is_an_error(source: Any) -> None:
    with pytest.raises(NotAnImageError):
        load_photo(source)


@pytest.mark.parametrize(
    "content", [b"", b"a", b"GIF89a", b"hello world, this is no picture", b"%!PS-Adobe-3.0 EPSF-3.0"]
)
def test_what_is_no_picture_is_an_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    for source in (content, path):
        with pytest.raises(TuftError):
            load_photo(source)


@pytest.mark.parametrize("path", ["no-such.png", "photo.png/no-such.png"])
def test_a_missing_file_is_an_error_of_its_own(path: str, tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()
    with pytest.raises(ImageNotFoundError, match=rf"^There is no file {tmp_path / path}: check the path\.$"):
        load_photo(tmp_path / path)
    with IsolatedDecoder() as decoder, pytest.raises(ImageNotFoundError):
        decoder(tmp_path / path)


def test_a_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(NotAnImageError, match=str(tmp_path)):
        load_photo(tmp_path)


def test_postscript_is_never_handed_to_its_interpreter(picture: NDArray[np.uint8]) -> None:
    with pytest.raises(NotAnImageError):
        load_photo(file_of(Image.fromarray(picture), "EPS"))


@pytest.mark.parametrize("name", ["EPS", "PDF", "PCX", "TGA", "ICO", "SGI"])
def test_formats_that_nobody_asked_for_stay_unread_whatever_the_suffix(
    name: str, picture: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(file_of(Image.fromarray(picture), name))
    with pytest.raises(NotAnImageError, match="give jpeg, png"):
        load_photo(path)


def test_formats_can_be_fewer_and_are_told_by_content(picture: NDArray[np.uint8], png: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(png)
    np.testing.assert_array_equal(load_photo(path, formats=["png"]).rgb, picture)
    for formats in (["jpeg", "webp"], []):
        with pytest.raises(NotAnImageError, match=r"photo\.jpg"):
            load_photo(path, formats=formats)
    with pytest.raises(OptionError, match="choose from jpeg"):
        load_photo(path, formats=["png", "eps"])


# --- limits of reading


def test_bytes_beyond_the_limit_are_refused(png: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png)
    for source in (png, bytearray(png), memoryview(png), io.BytesIO(png), path, str(path)):
        assert load_photo(source, max_bytes=len(png)).size_hw == (40, 48)
        if isinstance(source, io.BytesIO):
            source.seek(0)
        with pytest.raises(ImageTooLargeError, match="bytes allowed"):
            load_photo(source, max_bytes=len(png) - 1)


def test_nothing_is_read_of_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # a sparse file
    monkeypatch.setattr("tuft.imaging.decoding.load.check_structure", pytest.fail)
    with pytest.raises(ImageTooLargeError, match="800000000 bytes"):
        load_photo(path)


class Endless(io.RawIOBase):
    """An endless stream of zeros."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        assert 0 < size <= 1 << 20
        self.given += size
        return bytes(size)


def test_no_more_is_read_of_an_endless_stream_than_allowed() -> None:
    stream = Endless()
    with pytest.raises(ImageTooLargeError):
        load_photo(stream, max_bytes=3_000_000)  # type: ignore[arg-type]
    assert stream.given < 3_000_000 + (1 << 20) + 1


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no such device")  # noqa: PTH110
def test_no_more_is_read_of_a_device_than_allowed() -> None:
    with pytest.raises(ImageTooLargeError):
        load_photo("/dev/zero", max_bytes=3_000_000)


def test_a_pipe_is_read_like_any_other_stream(png: bytes, picture: NDArray[np.uint8]) -> None:
    reading, writing = os.pipe()
    os.write(writing, png)
    os.close(writing)
    try:
        np.testing.assert_array_equal(load_photo(f"/dev/fd/{reading}").rgb, picture)
    finally:
        os.close(reading)


# --- pixel formats


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("pillow_format", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(picture: NDArray[np.uint8], orientation: int, pillow_format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"lossless": True} if pillow_format == "WEBP" else {}
    file = file_of(Image.fromarray(picture), pillow_format, exif=exif, **options)
    np.testing.assert_array_equal(load_photo(file).rgb, UPRIGHT[orientation](picture))


def test_alpha_turns_with_the_picture(picture: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    file = file_of(Image.fromarray(np.dstack([picture, picture[..., 0]])), "PNG", exif=exif)
    np.testing.assert_array_equal(load_photo(file).alpha, np.rot90(picture[..., 0], -1))


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_camera_held_askew_changes_nothing_else(picture: NDArray[np.uint8], orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    for mode in ("RGB", "L"):
        image = Image.fromarray(picture).convert(mode)
        turned = load_photo(file_of(image, "JPEG", exif=exif)).rgb
        np.testing.assert_array_equal(turned, UPRIGHT[orientation](load_photo(file_of(image, "JPEG")).rgb))
        assert turned.flags.c_contiguous


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True}])
@pytest.mark.parametrize("size", [(1, 1), (17, 64), (301, 65), (40, 640)])
def test_a_jpeg_is_what_another_decoder_makes_of_it(
    options: dict[str, Any], size: tuple[int, int], rng: np.random.Generator
) -> None:
    coarse = Image.fromarray(rng.integers(0, 256, (5, 7, 3)).astype(np.uint8))
    for mode in ("RGB", "L"):
        file = file_of(coarse.resize(size, Image.Resampling.BICUBIC).convert(mode), "JPEG", **options)
        decoded = cv2.cvtColor(cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        np.testing.assert_allclose(load_photo(file).rgb, decoded, atol=1)


def test_damaged_exif_is_ignored(picture: NDArray[np.uint8]) -> None:
    file = file_of(Image.fromarray(picture), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(load_photo(file).rgb, picture)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    grey = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    expected = np.rint(grey / 257)
    big_endian_pgm = b"P5 6 1 65535\n" + grey.astype(">u2").tobytes()
    for file in (file_of(Image.fromarray(grey), "PNG"), file_of(Image.fromarray(grey), "TIFF"), big_endian_pgm):
        np.testing.assert_array_equal(load_photo(file).rgb[..., 1], expected)
    colours = np.dstack([grey, grey[:, ::-1], grey])
    decoded = load_photo(cv2.imencode(".png", colours)[1].tobytes()).rgb
    np.testing.assert_allclose(decoded, np.rint(colours / 257), atol=1)


def test_floating_point_grey_is_read_only_in_its_range() -> None:
    grey = np.array([[0, 0.25, 1]], np.float32)
    np.testing.assert_array_equal(load_photo(file_of(Image.fromarray(grey), "TIFF")).rgb[..., 0], [[0, 64, 255]])
    with pytest.raises(NotAnImageError, match="range"):
        load_photo(file_of(Image.fromarray(grey * 3), "TIFF"))


@given(st.data())
@settings(max_examples=20)
def test_sixteen_bits_become_the_nearest_of_eight(data: st.DataObject) -> None:
    height = data.draw(st.sampled_from([1, 63, 64, 65, 130]))  # around the height of the strips
    deep = data.draw(arrays(np.uint16, (height, 3, 3)))
    np.testing.assert_array_equal(load_photo(deep).rgb, np.rint(deep / 257))
    share = deep / 65535
    np.testing.assert_allclose(load_photo(share).rgb, share * 255, atol=0.5001)


def test_one_bit_and_palette(picture: NDArray[np.uint8]) -> None:
    bits = Image.fromarray(picture[..., 0] > 100)
    np.testing.assert_array_equal(load_photo(file_of(bits, "PNG")).rgb[..., 2], (picture[..., 0] > 100) * 255)
    palette = Image.fromarray(picture).quantize(16)
    np.testing.assert_array_equal(load_photo(file_of(palette, "PNG")).rgb, np.asarray(palette.convert("RGB")))


def test_inks_become_light() -> None:
    inks = np.array([[[255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 0], [0, 0, 0, 255]]], np.uint8)
    light = [[[0, 255, 255], [255, 0, 255], [255, 255, 0], [255, 255, 255], [0, 0, 0]]]
    solid = Image.fromarray(inks.repeat(16, axis=0).repeat(16, axis=1), mode="CMYK")
    for file in (file_of(solid, "TIFF"), file_of(solid, "JPEG", quality=100)):
        np.testing.assert_allclose(load_photo(file).rgb[8::16, 8::16], light, atol=3)


def test_transparency_is_kept_apart_and_seen_over_white() -> None:
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [200, 100, 0, 51], [10, 10, 10, 100]]], np.uint8)
    for file in (
        file_of(Image.fromarray(rgba), "PNG"),
        file_of(Image.fromarray(rgba), "WEBP", lossless=True, exact=True),
    ):
        photo = load_photo(file)
        np.testing.assert_array_equal(photo.alpha, rgba[..., 3])
        np.testing.assert_array_equal(photo.rgb, [[[10, 20, 30], [255, 255, 255], [244, 224, 204], [159, 159, 159]]])
    assert load_photo(np.full((2, 2, 4), 255, np.uint8)).alpha is None


@pytest.mark.parametrize("height", [1, 64, 65, 200])
def test_translucent_pictures_are_blended_with_their_backdrop(height: int, rng: np.random.Generator) -> None:
    rgba = rng.integers(0, 256, (height, 7, 4)).astype(np.uint8)
    photo = load_photo(file_of(Image.fromarray(rgba), "PNG"))
    alpha = rgba[..., 3:] / 255
    np.testing.assert_allclose(photo.rgb, alpha * rgba[..., :3] + (1 - alpha) * photo.backdrop, atol=0.5001)
    np.testing.assert_array_equal(photo.alpha, rgba[..., 3])


def test_transparency_of_grey_palette_and_colour_key() -> None:
    grey = Image.fromarray(np.array([[[50, 255], [50, 0]]], np.uint8), mode="LA")
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    palette.putpalette([50, 50, 50, 1, 2, 3])
    key = Image.fromarray(np.array([[[50, 50, 50], [1, 2, 3]]], np.uint8))
    files = [
        file_of(grey, "PNG"),
        file_of(palette, "PNG", transparency=b"\xff\0"),
        file_of(palette, "GIF", transparency=1),
        file_of(key, "PNG", transparency=(1, 2, 3)),
        file_of(Image.fromarray(np.array([[50, 7]], np.uint8)), "PNG", transparency=7),
    ]
    for file in files:
        photo = load_photo(file)
        np.testing.assert_array_equal(photo.alpha, [[255, 0]])
        np.testing.assert_array_equal(photo.rgb, [[[50] * 3, [255] * 3]])


@pytest.mark.parametrize("pillow_format", ["GIF", "WEBP", "MPO", "TIFF"])
def test_of_several_pictures_the_first_is_read(picture: NDArray[np.uint8], pillow_format: str) -> None:
    first, second = Image.fromarray(picture), Image.fromarray(255 - picture)
    several = load_photo(file_of(first, pillow_format, save_all=True, append_images=[second])).rgb
    assert np.abs(several.astype(int) - picture).mean() < 25


def test_the_callers_picture_is_not_changed(png: bytes) -> None:
    image = Image.open(io.BytesIO(png))
    load_photo(image)
    assert (image.mode, image.size, image.getpixel((0, 0))) == (
        "RGB",
        (48, 40),
        Image.open(io.BytesIO(png)).getpixel((0, 0)),
    )


# --- arrays


@pytest.mark.parametrize(
    "array",
    [
        np.full((4, 5), 51, np.uint8),
        np.full((4, 5, 1), 51, np.uint8),
        np.full((4, 5, 3), 51, np.uint8),
        np.full((4, 5), 51 * 257, np.uint16),
        np.full((4, 5, 3), 51 * 257, ">u2"),
        np.full((4, 5, 3), 0.2),
        np.full((4, 5, 3), 0.2, np.float16),
        np.full((8, 5, 3), 51, np.uint8)[::2],
    ],
)
def test_arrays_of_every_kind(array: NDArray[Any]) -> None:
    np.testing.assert_array_equal(load_photo(array).rgb, np.full((4, 5, 3), 51))


def test_a_boolean_array_is_black_and_white() -> None:
    np.testing.assert_array_equal(load_photo(np.array([[True, False]])).rgb[..., 0], [[255, 0]])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(5, np.uint8),
        np.zeros((4, 5, 2), np.uint8),
        np.zeros((2, 4, 5, 3), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((4, 5), np.int64),
        np.full((4, 5), 2.0),
        np.full((4, 5), np.nan),
        np.zeros((4, 5), np.complex64),
        np.zeros((4, 5), object),
    ],
)
def test_other_arrays_are_refused(array: NDArray[Any]) -> None:
    with pytest.raises(NotAnImageError):
        load_photo(array)


# --- too large, damaged


def test_size_is_checked_before_decoding(picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(Image.fromarray(picture), "PNG")

    def decode(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load_prepare", decode)
    with pytest.raises(ImageTooLargeError, match="48 × 40"):
        load_photo(file, max_pixels=40 * 48 - 1)
    with pytest.raises(TuftError, match="decoded"):
        load_photo(file, max_pixels=40 * 48)


@pytest.mark.parametrize("side", [10_001, 65_000])
def test_a_bomb_is_refused_and_pillows_own_limit_left_alone(png: bytes, side: int) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + png[24:29]
    bomb = png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]
    with pytest.raises(ImageTooLargeError):
        load_photo(bomb)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_arrays_and_pictures_are_limited_too(picture: NDArray[np.uint8]) -> None:
    for source in (picture, Image.fromarray(picture)):
        with pytest.raises(ImageTooLargeError):
            load_photo(source, max_pixels=100)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_never_gives_half_a_picture(kind: str, picture: NDArray[np.uint8]) -> None:
    file = files_of_every_kind(picture)[kind]
    whole = load_photo(file).rgb
    assert np.abs(whole.astype(int) - picture).mean() < 25
    for length in {*range(0, len(file), len(file) // 10), *range(len(file) - 12, len(file))}:
        try:
            np.testing.assert_array_equal(load_photo(file[:length]).rgb, whole)
        except TuftError:
            continue


@pytest.mark.parametrize("kind", KINDS)
def test_damage_raises_nothing_but_tufts_errors(
    kind: str, picture: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    whole = files_of_every_kind(picture)[kind]
    for trial in range(40):
        broken = bytearray(whole)
        reach = len(broken) if trial % 2 else min(len(broken), 200)  # parsers fail mostly in headers
        for place in rng.integers(0, reach, rng.integers(1, 4)):
            broken[place] ^= 1 << rng.integers(0, 8)
        try:
            photo = load_photo(bytes(broken), max_pixels=1_000_000)
        except TuftError:
            continue
        assert (photo.rgb.dtype, photo.rgb.shape[2]) == (np.uint8, 3)


def test_truncated_is_told_from_no_picture(png: bytes) -> None:
    with pytest.raises(TruncatedImageError, match="get it anew"):
        load_photo(png[: len(png) // 2])


@pytest.mark.parametrize("kind", ["jpeg", "progressive jpeg", "cmyk jpeg"])
def test_a_truncated_jpeg_is_never_filled_with_grey(kind: str, picture: NDArray[np.uint8]) -> None:
    file = files_of_every_kind(np.tile(picture, (9, 9, 1)))[kind]
    for share in (0.3, 0.5, 0.9, 0.99):
        with pytest.raises(TruncatedImageError):
            load_photo(file[: int(len(file) * share)])


def test_warnings_stay_silent_and_filters_as_they_were_with_several_threads(png: bytes) -> None:
    noisy = file_of(Image.open(io.BytesIO(png)), "PNG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    before = list(warnings.filters)
    start, failures = threading.Barrier(8), []

    def load() -> None:
        start.wait()
        for _ in range(20):
            try:
                load_photo(noisy)
            except Warning as exc:
                failures.append(exc)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(warnings.filters) == before


@pytest.mark.parametrize("slip", ["text", "text in memory", "closed", "closed memory", "writing", "at its end"])
def test_a_file_that_is_given_wrongly_is_not_called_damaged(tmp_path: Path, slip: str) -> None:
    path = tmp_path / "good.png"
    Image.new("RGB", (8, 8), "navy").save(path)
    closed = io.BytesIO(path.read_bytes())
    closed.close()
    at_end = io.BytesIO()
    Image.new("RGB", (8, 8)).save(at_end, "PNG")
    with path.open() as text, path.open("rb") as shut, (tmp_path / "other").open("wb") as writing:
        shut.close()
        source: Any = {
            "text": text,
            "text in memory": io.StringIO("dog"),
            "closed": shut,
            "closed memory": closed,
            "writing": writing,
            "at its end": at_end,
        }[slip]
        with pytest.raises(NotAnImageError) as caught:
            load_photo(source)
    assert slip.split()[0] in str(caught.value) or "read to its end" in str(caught.value)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("slip", ["with", "close before", "close after", "file", "new"])
def test_a_closed_pil_image_is_not_called_damaged(tmp_path: Path, slip: str) -> None:
    path = tmp_path / "good.jpg"
    Image.new("RGB", (8, 8), "navy").save(path)
    if slip == "new":
        image = Image.new("RGB", (8, 8))
        image.close()
    elif slip == "file":
        with path.open("rb") as file:
            image = Image.open(file)
    else:
        with Image.open(path) as image:
            if slip == "close after":
                image.load()
        if slip.startswith("close"):
            image.close()
    with pytest.raises(NotAnImageError, match="closed"):
        load_photo(image)


@pytest.mark.parametrize("suffix", ["png", "gif", "webp", "tif", "bmp"])
def test_a_pil_image_that_was_loaded_may_be_left(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"good.{suffix}"
    Image.new("RGB", (8, 8), "navy").save(path)
    with Image.open(path) as image:
        assert load_photo(image).size_hw == (8, 8)
    assert load_photo(image).size_hw == (8, 8)


@pytest.mark.parametrize(
    "address",
    ["https://example.com/dog.jpg", "HTTP://example.com", "s3://bucket/dog.jpg", f"data:image/png,{'A' * 3_000_000}"],
    ids=["https", "upper case", "s3", "data"],
)
def test_an_address_is_told_from_a_path_in_few_words(address: str) -> None:
    with pytest.raises(NotAnImageError, match="address") as caught:
        load_photo(address)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("path", ["a" * 100_000 + ".jpg", "dir/" * 50_000, "x\0" * 10_000], ids=["a", "b", "c"])
def test_a_path_is_quoted_with_bound(path: str) -> None:
    with pytest.raises(NotAnImageError) as caught:
        load_photo(path)
    assert len(str(caught.value)) < 500


def test_names_that_people_use_for_formats(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    assert load_photo(tmp_path / "a.jpg", formats=["jpg", "tif"]).size_hw == (8, 8)
    with pytest.raises(OptionError) as caught:
        load_photo(tmp_path / "a.jpg", formats=["x" * 1_000_000])
    assert len(str(caught.value)) < 500


# --- nothing is shared with the caller


@pytest.mark.parametrize(
    "shape", [(40, 48, 3), (40, 48, 4), (40, 48), (40, 48, 1), (1, 1, 3), (1, 1, 4), (40, 1, 4), (1, 48, 4)]
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.bool_, np.float32])
def test_an_array_that_is_filled_anew_changes_nothing(shape: tuple[int, ...], kind: type) -> None:
    array = np.zeros(shape, kind)
    photo = load_photo(array)
    before = photo.rgb.copy(), None if photo.alpha is None else photo.alpha.copy()
    array[:] = 1
    np.testing.assert_array_equal(photo.rgb, before[0])
    if before[1] is not None:
        np.testing.assert_array_equal(photo.alpha, before[1])
    assert not np.may_share_memory(photo.rgb, array)
    assert photo.rgb.flags.writeable


def test_a_camera_that_reuses_its_buffer_changes_no_cutout(picture: NDArray[np.uint8], png: bytes) -> None:
    frame, file, window = picture.copy(), bytearray(png), memoryview(bytearray(picture.tobytes()))
    over_window = np.frombuffer(window, np.uint8).reshape(picture.shape)
    image = Image.fromarray(picture)
    with Client(transport=FakeTransport()) as client:
        cutouts = [client.remove(source, refine="none") for source in (frame, file, over_window, image)]
        before = [(cutout.rgba.copy(), cutout.photo.copy(), cutout.foreground.copy()) for cutout in cutouts]
        frame[:], file[:], window[:] = 7, bytes(len(file)), bytes(len(window))
        image.paste((7, 7, 7), (0, 0, 48, 40))
    for cutout, (rgba, photo, foreground) in zip(cutouts, before, strict=True):
        np.testing.assert_array_equal(cutout.rgba, rgba)
        np.testing.assert_array_equal(cutout.photo, photo)
        np.testing.assert_array_equal(cutout.foreground, foreground)
