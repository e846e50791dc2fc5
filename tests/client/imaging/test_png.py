"""PNG against its specification, decoded by Pillow, OpenCV and a strict, slow decoder in this file."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from tuft.imaging import png
from tuft.imaging.png import encode_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS = {0: 1, 2: 3, 6: 4}
SHAPES = st.builds(
    lambda size, channels: (*size, *channels),
    st.tuples(st.integers(1, 40), st.integers(1, 20)),
    st.sampled_from([(), (3,), (4,)]),
)


def chunks_of(file: bytes) -> list[tuple[bytes, bytes]]:
    """Types and contents of all chunks, with all lengths and checksums verified to the last byte."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = [], 8
    while place < len(file):
        length = int.from_bytes(file[place : place + 4], "big")
        kind, data = file[place + 4 : place + 8], file[place + 8 : place + 8 + length]
        assert zlib.crc32(kind + data) == int.from_bytes(file[place + 8 + length : place + 12 + length], "big")
        chunks.append((kind, data))
        place += 12 + length
    assert place == len(file)
    return chunks


def paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def decoded(file: bytes) -> NDArray[Any]:
    """Decodes the image by clauses 9 and 10 of the specification, byte by byte."""
    chunks = chunks_of(file)
    kinds = [kind for kind, _ in chunks]
    assert kinds == [b"IHDR"] + [b"IDAT"] * (len(kinds) - 2) + [b"IEND"]
    header = chunks[0][1]
    width, height = (int.from_bytes(header[start : start + 4], "big") for start in (0, 4))
    assert (len(header), header[8], *header[10:]) == (13, 8, 0, 0, 0)
    step = CHANNELS[header[9]]
    inflate = zlib.decompressobj()  # verifies zlib's header and checksum
    raw = inflate.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    assert inflate.eof
    assert not inflate.unused_data
    lines = np.frombuffer(raw, np.uint8).reshape(height, 1 + width * step).astype(int)
    above = np.zeros(width * step, int)
    rows = []
    for number, *line in lines.tolist():
        row = [0] * step + line  # `step` zeros are left of the image
        for i in range(step, len(row)):
            left, over, corner = row[i - step], int(above[i - step]), int(above[i - 2 * step]) if i >= 2 * step else 0
            row[i] = (row[i] + (0, left, over, (left + over) // 2, paeth(left, over, corner))[number]) % 256
        above = np.array(row[step:])
        rows.append(above)
    return np.array(rows).reshape((height, width, step)[: 2 if step == 1 else 3])


def by_pillow(file: bytes) -> NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(file)))


def by_opencv(file: bytes) -> NDArray[Any]:
    picture = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    order = {2: ..., 3: (..., [2, 1, 0]), 4: (..., [2, 1, 0, 3])}[
        picture.ndim if picture.ndim == 2 else len(picture[0, 0])
    ]
    return np.asarray(picture[order])


def cut_out(size_hw: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A gradient with camera noise within a disk with a soft edge, transparent around it."""
    rows, columns = np.indices(size_hw) - np.array(size_hw)[:, None, None] / 2
    alpha = np.clip(size_hw[0] / 3 - np.hypot(rows, columns), 0, 1) * 255
    colours = 120 + rows[..., None] / 4 + columns[..., None] / 3 + rng.normal(0, 3, (*size_hw, 3))
    rgba = np.dstack([np.clip(colours, 0, 255), alpha]).astype(np.uint8)
    rgba[rgba[..., 3] == 0] = 0
    return rgba


@given(SHAPES.flatmap(lambda shape: arrays(np.uint8, shape)), st.sampled_from([1, 100, 1 << 20]))
def test_every_decoder_gives_back_every_value(picture: NDArray[np.uint8], strip_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png, "_STRIP_BYTES", strip_bytes)  # one row per strip, a few, all
        file = encode_png(picture)
    for decoder in (decoded, by_pillow, by_opencv):
        np.testing.assert_array_equal(decoder(file), picture)


@pytest.mark.parametrize("channels", [(), (3,), (4,)])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 5000), (5000, 1), (700, 900)])
def test_pictures_of_every_form(size_hw: tuple[int, int], channels: tuple[int, ...], rng: np.random.Generator) -> None:
    pictures = [np.zeros((*size_hw, *channels), np.uint8), rng.integers(0, 256, (*size_hw, *channels)).astype(np.uint8)]
    for picture in pictures:
        for decoder in (by_pillow, by_opencv):
            np.testing.assert_array_equal(decoder(encode_png(picture)), picture)


def test_a_cutout_is_read_alike_by_all(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png, "_STRIP_BYTES", 3000)
    picture = cut_out((120, 160), rng)
    file = encode_png(picture)
    for decoder in (decoded, by_pillow, by_opencv):
        np.testing.assert_array_equal(decoder(file), picture)


def test_zlib_serves_where_there_is_no_faster_library(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = cut_out((120, 160), rng)
    fast = encode_png(picture)
    monkeypatch.setattr(png, "fast_zlib", zlib)
    slow = encode_png(picture)
    assert len(fast) < 1.1 * len(slow)
    for file in (fast, slow):
        np.testing.assert_array_equal(decoded(file), picture)


@pytest.mark.parametrize(
    ("picture", "number"),
    [
        (np.add.outer(np.zeros(30, int), np.arange(50) ** 2 % 251), 2),  # columns alike
        (np.add.outer(np.arange(30) ** 2 % 251, np.zeros(50, int)), 1),  # rows alike
        (np.zeros((30, 50), int), 0),
    ],
)
def test_the_filter_suits_the_picture(picture: NDArray[Any], number: int) -> None:
    chunks = chunks_of(encode_png(picture.astype(np.uint8)))
    raw = zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT"))
    assert set(raw[::51]) == {number}


def test_files_are_about_as_small_as_opencvs(rng: np.random.Generator) -> None:
    cutout = cut_out((600, 800), rng)
    theirs = len(cv2.imencode(".png", cv2.cvtColor(cutout, cv2.COLOR_RGBA2BGRA))[1])
    assert len(encode_png(cutout)) < 1.1 * theirs
    assert len(encode_png(np.zeros((3000, 4000, 4), np.uint8))) < 100_000


def test_a_view_is_written_as_it_looks(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (40, 60, 4)).astype(np.uint8)
    for view in (picture[::2, ::-1], picture[5:, 7:, :3], picture[..., 3]):
        np.testing.assert_array_equal(by_pillow(encode_png(view)), view)


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(max_examples=50)
def test_checksums_of_pieces_join(first: bytes, second: bytes) -> None:
    assert png._combined(zlib.adler32(first), zlib.adler32(second), len(second)) == zlib.adler32(first + second)
