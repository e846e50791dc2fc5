from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from tuft.imaging import load_photo
from tuft.imaging.decoding.colour import to_srgb

# Red, green and blue in XYZ relative to D50, one per column (Lindbloom; Display P3 from its profile).
SRGB_TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
P3_TO_XYZ = np.array(
    [[0.515102, 0.291965, 0.157153], [0.241182, 0.692236, 0.0665819], [-0.00104941, 0.0418818, 0.784378]]
)
D50 = (0.9642, 1.0, 0.8249)


def xyz_tag(xyz: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in xyz)


def gamma_tag(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def profile(colour_space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A display profile of ICC version 2.4, written by hand."""
    text = b"a profile\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 80,
        b"cprt": b"text\0\0\0\0" + text,
        b"wtpt": xyz_tag(D50),
        **tags,
    }
    table, data, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", offset + len(data), len(content))
        data += content
    header = struct.pack(">I4sI4s4s4s", offset + len(data), b"lcms", 0x02400000, b"mntr", colour_space, b"XYZ ")
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + xyz_tag(D50)[8:]
    return header.ljust(128, b"\0") + table + data


def rgb_profile(to_xyz: np.ndarray, gamma: float) -> bytes:
    primaries = {
        name: xyz_tag(tuple(column)) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), to_xyz.T, strict=True)
    }
    return profile(b"RGB ", {**primaries, **{name: gamma_tag(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")}})


def srgb_encoded(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, to 0..255."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_wide_gamut_colours_become_srgb(mode: str, rng: np.random.Generator) -> None:
    stored = rng.integers(60, 180, (8, 8, 3)).astype(np.uint8)
    linear = (stored / 255) ** 2.2 @ P3_TO_XYZ.T @ np.linalg.inv(SRGB_TO_XYZ).T
    image = Image.fromarray(stored)
    image = image.quantize(256) if mode == "P" else image.convert(mode)
    if mode == "P":
        assert np.array_equal(np.asarray(image.convert("RGB")), stored)  # 64 colours fit a palette
    file = io.BytesIO()
    image.save(file, "PNG", icc_profile=rgb_profile(P3_TO_XYZ, 2.2))
    converted = load_photo(file.getvalue()).rgb
    np.testing.assert_allclose(converted, srgb_encoded(linear), atol=1.5)
    assert np.abs(converted.astype(int) - stored).max() > 10


def test_grey_of_another_gamma_becomes_srgb() -> None:
    grey = np.arange(0, 256, 5, dtype=np.uint8)[None]
    converted = np.asarray(to_srgb(Image.fromarray(grey), profile(b"GRAY", {b"kTRC": gamma_tag(1.75)})))
    np.testing.assert_allclose(converted, srgb_encoded((np.dstack([grey] * 3) / 255) ** 1.75), atol=2)


def test_srgb_is_left_exactly_as_it_is(rng: np.random.Generator) -> None:
    stored = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(np.asarray(to_srgb(Image.fromarray(stored), own)), stored)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize(
    "useless",
    [b"", b"no profile", rgb_profile(P3_TO_XYZ, 2.2)[:200], profile(b"GRAY", {}), profile(b"RGB ", {})],
)
def test_a_damaged_profile_counts_as_none(mode: str, useless: bytes, rng: np.random.Generator) -> None:
    image = Image.fromarray(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)).convert(mode)
    np.testing.assert_array_equal(np.asarray(to_srgb(image, useless)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_of_another_colour_space_counts_as_none(mode: str) -> None:
    image = Image.new(mode, (2, 2), 77 if mode == "L" else (77, 0, 200, 10))
    converted = to_srgb(image, rgb_profile(P3_TO_XYZ, 2.2))
    assert np.array_equal(np.asarray(converted), np.asarray(image.convert("RGB")))
