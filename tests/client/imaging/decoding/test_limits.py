"""`max_pixels` is the limit, up and down, whatever limit Pillow has."""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support import bombs
from support.picture_files import file_of, tiff_of

from tuft import Client, FakeTransport, Settings
from tuft.errors import ImageTooLargeError
from tuft.imaging import IsolatedDecoder, load_photo
from tuft.imaging.decoding.pillow_limit import allowing

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXELS = 40 * 48


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """Pillow's limit, set so low that it refuses the picture: it raises for more than twice this."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    return 100


def every_kind(picture: NDArray[np.uint8]) -> dict[str, bytes]:
    image = Image.fromarray(picture)
    return {name: file_of(image, name) for name in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "AVIF")}


def test_more_than_pillows_limit_is_read_if_it_is_allowed(picture: NDArray[np.uint8], small_limit: int) -> None:
    for name, file in every_kind(picture).items():
        assert load_photo(file, max_pixels=PIXELS).size_hw == (40, 48), name
        assert small_limit == Image.MAX_IMAGE_PIXELS


def test_more_than_is_allowed_is_refused_by_name(picture: NDArray[np.uint8], small_limit: int) -> None:
    for name, file in every_kind(picture).items():
        for allowed in (PIXELS - 1, PIXELS // 2, 201, 10):
            with pytest.raises(
                ImageTooLargeError, match=rf"than the {allowed}.* allowed: .*raise max_pixels"
            ) as caught:
                load_photo(file, max_pixels=allowed)
            assert "\n" not in str(caught.value), name
    assert small_limit == Image.MAX_IMAGE_PIXELS


def test_a_tile_larger_than_pillows_limit(small_limit: int) -> None:
    tile = [(322, 4, 1, 64), (323, 4, 1, 64), (324, 4, 1, 8), (325, 4, 1, 64 * 64)]
    entries = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    assert load_photo(tiff_of([*entries, *tile], b"\x80" * 64 * 64), max_pixels=64 * 64).size_hw == (64, 64)
    assert small_limit == Image.MAX_IMAGE_PIXELS


def test_a_gif_whose_frame_is_larger_than_its_screen(small_limit: int) -> None:
    file = bytearray(file_of(Image.new("P", (30, 30)), "GIF"))
    file[6:10] = struct.pack("<HH", 8, 8)
    with pytest.raises(ImageTooLargeError, match="than the 201"):
        load_photo(bytes(file), max_pixels=201)


def test_two_hundred_megapixels() -> None:
    """Only the header: decoding them takes a gigabyte."""
    for side in (13_400, 14_143):  # above Pillow's own 179 megapixels, and above 200
        refused = bombs.png_of_size(side, side)
        with pytest.raises(
            ImageTooLargeError, match=rf"{side} × {side} pixels, more than the 100000000|than the 100000000"
        ):
            load_photo(refused)
    with pytest.raises(ImageTooLargeError, match="than the 200000000"):
        load_photo(bombs.png_of_size(14_143, 14_143), max_pixels=200_000_000)


def test_an_image_that_the_caller_has_opened(picture: NDArray[np.uint8], small_limit: int) -> None:
    assert load_photo(Image.fromarray(picture), max_pixels=PIXELS).size_hw == (40, 48)
    assert load_photo(picture, max_pixels=PIXELS).size_hw == (40, 48)


def test_the_limit_is_restored_by_the_last_of_several_threads(small_limit: int) -> None:
    inside, leave = threading.Barrier(3), threading.Event()

    def hold(pixels: int) -> None:
        with allowing(pixels):
            inside.wait()
            leave.wait()

    threads = [threading.Thread(target=hold, args=[pixels]) for pixels in (1000, 4000)]
    for thread in threads:
        thread.start()
    inside.wait()
    assert Image.MAX_IMAGE_PIXELS in (1000, 2000)
    leave.set()
    for thread in threads:
        thread.join()
    assert small_limit == Image.MAX_IMAGE_PIXELS


def test_without_a_limit_of_pillow_there_is_still_one(
    picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageTooLargeError):
        load_photo(file_of(Image.fromarray(picture), "PNG"), max_pixels=100)
    assert Image.MAX_IMAGE_PIXELS is None


def test_the_sandbox_gets_memory_for_what_the_settings_allow() -> None:
    with Client(transport=FakeTransport(), settings=Settings(isolate_decoding=True, max_pixels=250_000_000)) as client:
        sandbox = client._sandbox
        assert isinstance(sandbox, IsolatedDecoder)
        assert sandbox._memory_bytes == 8_000_000_000
