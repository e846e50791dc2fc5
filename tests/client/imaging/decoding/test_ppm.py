"""PPM against its specification, and against Pillow's slow decoder."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tuft.errors import TruncatedImageError
from tuft.imaging import load_photo
from tuft.imaging.decoding import ppm

if TYPE_CHECKING:
    from numpy.typing import NDArray


def header(kind: int, levels: NDArray[np.int_], largest: int) -> bytes:
    return b"P%d\n# a comment\n%d %d\n%d\n" % (kind, levels.shape[1], levels.shape[0], largest)


@pytest.mark.parametrize("largest", [1, 2, 99, 254, 255, 256, 1000, 4095, 65_535])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_number_of_levels(largest: int, channels: int, rng: np.random.Generator) -> None:
    levels = rng.integers(0, largest + 1, (5, 7, channels))
    levels[0, 0], levels[-1, -1] = 0, largest
    expected = np.broadcast_to(levels / largest * 255, (5, 7, 3))
    text = header(2 if channels == 1 else 3, levels, largest) + " ".join(map(str, levels.ravel())).encode()
    binary = levels.astype(np.uint8 if largest < 256 else ">u2").tobytes()
    for file in (text, text + b"\n", header(5 if channels == 1 else 6, levels, largest) + binary):
        np.testing.assert_allclose(load_photo(file).rgb, expected, atol=0.5001)


@given(st.integers(1, 65_535), st.integers(0, 2**32 - 1), st.booleans())
def test_what_pillow_decodes_slowly_comes_out_alike(largest: int, seed: int, text: bool) -> None:
    levels = np.random.default_rng(seed).integers(0, largest + 1, (3, 4, 3))
    body = " ".join(map(str, levels.ravel())).encode()
    if not text:
        body = levels.astype(np.uint8 if largest < 256 else ">u2").tobytes()
    file = header(3 if text else 6, levels, largest) + body
    pillows = np.asarray(Image.open(io.BytesIO(file)))  # some versions of Pillow round down
    np.testing.assert_allclose(load_photo(file).rgb.astype(int), pillows, atol=1)


def test_bits_are_ink_with_or_without_space() -> None:
    for body in (b"010110", b"0 1 0\n1 1 0\n", b"01 # 0 0 0\n0 1 10"):
        rgb = load_photo(b"P1 3 2\n" + body).rgb
        np.testing.assert_array_equal(rgb[..., 0], [[255, 0, 255], [0, 0, 255]])


@pytest.mark.parametrize(
    "body", [b"", b"1 2", b"1 2 x", b"1 2 256", b"1 2 -3", b"1 2 3.0", b"1 2 1e1", b"1 2 000003", b"1 2 \xff"]
)
def test_other_text_is_damage(body: bytes) -> None:
    with pytest.raises(TruncatedImageError, match="PPM"):
        load_photo(b"P3 1 1 255\n" + body)


def test_levels_beyond_the_largest_and_missing_ones_are_damage() -> None:
    for body in (b"\0\0\x65", b"\0\0"):
        with pytest.raises(TruncatedImageError, match="PPM"):
            load_photo(b"P6 1 1 100\n" + body)
    with pytest.raises(TruncatedImageError, match="PPM"):
        load_photo(b"P1 2 2\n0102")


def test_what_pillow_decodes_fast_is_left_to_it(picture: NDArray[np.uint8]) -> None:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PPM")
    image = Image.open(file)
    assert not ppm.is_slow(image)
    slow = Image.open(io.BytesIO(b"P6 1 1 100\n123"))
    assert ppm.is_slow(slow)
    slow.load()
    assert not ppm.is_slow(slow)
    assert not ppm.is_slow(Image.fromarray(picture))
