"""The transparency that files declare, in every encoding, and the backdrop that the network sees."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.picture_files import file_of, run_length_bmp
from support.raw_files import Picture, tiff_of_pictures

from tuft.imaging import IsolatedDecoder, load_photo

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6


def png(bits: int, kind: int, row: bytes, *, key: bytes = b"", palette: bytes = b"", width: int = 2) -> bytes:
    """A PNG of one row, by its specification; `key` is the content of tRNS."""
    header = struct.pack(">IIBBBBB", width, 1, bits, kind, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        (b"PLTE", palette),
        (b"tRNS", key),
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
        if data or name == b"IEND"
    )


# Two pixels: the first is opaque, the second is transparent.
FILES: dict[str, bytes] = {
    "grey, 1 bit, black key": png(1, GREY, b"\x80", key=b"\0\0"),
    "grey, 1 bit, white key": png(1, GREY, b"\x40", key=b"\0\1"),
    "grey, 2 bits": png(2, GREY, b"\x60", key=b"\0\2"),
    "grey, 4 bits": png(4, GREY, b"\x5a", key=b"\0\x0a"),
    "grey, 8 bits": png(8, GREY, b"\x50\x07", key=b"\0\7"),
    "grey, 16 bits": png(16, GREY, b"\x50\x07\x60\x07", key=b"\x60\x07"),
    "grey, 16 bits, neighbours": png(16, GREY, b"\x50\x07\x50\x08", key=b"\x50\x08"),
    "colour, 8 bits": png(8, COLOUR, bytes((1, 2, 3, 4, 5, 6)), key=bytes((0, 4, 0, 5, 0, 6))),
    "colour, 16 bits": png(16, COLOUR, bytes(range(12)), key=bytes(range(6, 12))),
    "colour, 16 bits, neighbours": png(
        16, COLOUR, bytes((1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 4)), key=bytes((1, 1, 2, 2, 3, 4))
    ),
    "colour, 16 bits, a dark key": png(
        16, COLOUR, bytes((1, 1, 2, 2, 3, 3, 0, 1, 0, 2, 0, 3)), key=bytes((0, 1, 0, 2, 0, 3))
    ),
    "palette, 1 bit": png(1, PALETTE, b"\x40", key=b"\xff\0", palette=bytes(range(6))),
    "palette, 4 bits": png(4, PALETTE, b"\x01", key=b"\xff\0", palette=bytes(range(6))),
    "palette, 8 bits": png(8, PALETTE, b"\0\1", key=b"\xff\0", palette=bytes(range(6))),
    "palette, a key shorter than it": png(8, PALETTE, b"\1\0", key=b"\0", palette=bytes(range(6))),
    "grey and alpha, 8 bits": png(8, GREY_ALPHA, b"\x50\xff\x50\0"),
    "grey and alpha, 16 bits": png(16, GREY_ALPHA, b"\x50\0\xff\xff\x50\0\0\0"),
    "colour and alpha, 8 bits": png(8, COLOUR_ALPHA, b"\1\2\3\xff\1\2\3\0"),
    "colour and alpha, 16 bits": png(16, COLOUR_ALPHA, b"\1\2\3\4\5\6\xff\xff\1\2\3\4\5\6\0\0"),
}


@pytest.mark.parametrize("kind", FILES)
def test_png_by_its_specification(kind: str) -> None:
    np.testing.assert_array_equal(load_photo(FILES[kind]).alpha, [[255, 0]])


def test_so_it_is_in_the_sandbox(decoder: IsolatedDecoder) -> None:
    for kind, file in FILES.items():
        here, apart = load_photo(file), decoder(file)
        np.testing.assert_array_equal(apart.alpha, here.alpha, kind)
        np.testing.assert_array_equal(apart.rgb, here.rgb, kind)
        assert apart.backdrop == here.backdrop, kind


def test_so_it_is_for_an_image_that_pillow_has_opened() -> None:
    for kind, file in FILES.items():
        np.testing.assert_array_equal(load_photo(Image.open(io.BytesIO(file))).alpha, [[255, 0]], kind)


@pytest.mark.parametrize("pillow_format", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_of_every_level_survives(pillow_format: str, mode: str) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(4, axis=0).repeat(4, axis=1)
    channels = [np.full_like(levels, 90)] * (len(mode) - 1)
    options: dict[str, Any] = {"lossless": True, "exact": True} if pillow_format == "WEBP" else {"quality": 100}
    image = Image.fromarray(np.dstack([*channels, levels]), mode=mode)
    photo = load_photo(file_of(image, pillow_format, **({} if pillow_format == "TIFF" else options)))
    np.testing.assert_allclose(photo.alpha, levels, atol=2 if pillow_format == "AVIF" else 0)  # which is lossy


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("premultiplied", [False, True])
def test_tiff_with_associated_and_with_straight_alpha(order: str, kind: type, premultiplied: bool) -> None:
    full = np.iinfo(kind).max
    straight = np.array([[[200, 100, 50, 255], [200, 100, 50, 102], [200, 100, 50, 0]]]) / 255
    stored = straight.copy()
    if premultiplied:
        stored[..., :3] *= stored[..., 3:]
    pixels = np.rint(stored * full).astype(kind)
    photo = load_photo(tiff_of_pictures(Picture(pixels, more={338: (3, (1 if premultiplied else 2,))}), order=order))
    np.testing.assert_allclose(photo.alpha, [[255, 102, 0]], atol=1)
    seen = 255 * (straight[..., :3] * straight[..., 3:] + 1 - straight[..., 3:])
    np.testing.assert_allclose(photo.rgb, seen, atol=2)


def test_gif_and_palettes_of_pillow() -> None:
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    palette.putpalette([50, 50, 50, 1, 2, 3])
    with_alpha = Image.fromarray(np.array([[0, 1]], np.uint8), mode="P")
    with_alpha.putpalette([50, 50, 50, 255, 1, 2, 3, 0], "RGBA")
    both = Image.merge(
        "LA", [Image.fromarray(np.array([[0, 1]], np.uint8)), Image.fromarray(np.array([[255, 0]], np.uint8))]
    )
    for source in (file_of(palette, "GIF", transparency=1), with_alpha, both, both.convert("RGBA").convert("RGBa")):
        np.testing.assert_array_equal(load_photo(source).alpha, [[255, 0]])


@pytest.mark.parametrize("file", [run_length_bmp(np.zeros((2, 2), np.uint8)), png(8, COLOUR, bytes(6))])
def test_what_declares_nothing_is_opaque(file: bytes) -> None:
    photo = load_photo(file)
    assert (photo.alpha, photo.backdrop) == (None, 255)


# --- the backdrop


def cutout_of(level: int, *, spots: int | None = None) -> NDArray[np.uint8]:
    """A disk of one grey level, with a few spots of another."""
    rows, columns = np.indices((40, 40)) - 19.5
    inside = rows**2 + columns**2 < 15**2
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[inside] = (level, level, level, 255)
    if spots is not None:
        rgba[inside & ((rows + columns) % 2 == 0)] = (spots, spots, spots, 255)
    return rgba


@pytest.mark.parametrize(
    ("level", "spots", "backdrop"),
    [
        (30, None, 255),
        (128, None, 255),
        (200, None, 255),
        (255, None, 0),
        (240, None, 0),
        (255, 0, 128),  # a penguin
        (255, 128, 0),
    ],
)
def test_a_cutout_stands_out_from_its_backdrop(level: int, spots: int | None, backdrop: int) -> None:
    rgba = cutout_of(level, spots=spots)
    for source in (rgba, file_of(Image.fromarray(rgba), "PNG"), Image.fromarray(rgba)):
        photo = load_photo(source)
        assert photo.backdrop == backdrop
        np.testing.assert_array_equal(photo.rgb[rgba[..., 3] == 0], backdrop)
        visible = rgba[..., 3] == 255
        np.testing.assert_array_equal(photo.rgb[visible], rgba[visible][:, :3])
        assert np.abs(photo.rgb[visible].astype(int) - backdrop).max(axis=1).min() > 48


def test_translucent_pixels_are_blended_with_the_backdrop(rng: np.random.Generator) -> None:
    for height in (1, 64, 65, 200):
        rgba = rng.integers(0, 256, (height, 7, 4)).astype(np.uint8)
        rgba[..., :3] |= 0xE0  # bright
        photo = load_photo(rgba)
        assert photo.backdrop == 0
        share = rgba[..., 3:] / 255
        np.testing.assert_allclose(photo.rgb, share * rgba[..., :3], atol=0.5001)
