"""HEIC, with the extra `heif`, and what is said without it; AVIF, which needs to be turned."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support.picture_files import ORIENTATION, file_of, srgb_profile

from tuft import Client, FakeTransport
from tuft.errors import ImageError, ImageTooLargeError, NotAnImageError
from tuft.imaging import IsolatedDecoder, load_photo
from tuft.imaging.decoding import formats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

pillow_heif = pytest.importorskip("pillow_heif")


@pytest.fixture(autouse=True)
def plugin() -> None:
    formats.register()


@pytest.fixture
def smooth() -> NDArray[np.uint8]:
    """A gradient without any symmetry, 64 × 96, which HEVC keeps within a few levels."""
    rows, columns = np.indices((64, 96))
    return np.dstack([rows * 3, columns * 2, 255 - rows - columns]).astype(np.uint8)


def heic(picture: NDArray[np.uint8], **options: object) -> bytes:
    return file_of(Image.fromarray(picture), "HEIF", quality=90, **options)


def assert_shows(file: bytes, picture: NDArray[np.uint8], decode: object = load_photo) -> None:
    assert callable(decode)
    rgb = decode(file).rgb
    assert rgb.shape == picture.shape
    assert np.abs(rgb.astype(int) - picture).mean() < 4


def test_a_heic_is_read_by_every_way_in(smooth: NDArray[np.uint8], decoder: IsolatedDecoder, tmp_path: Path) -> None:
    file = heic(smooth)
    path = tmp_path / "photo.heic"
    path.write_bytes(file)
    for source in (file, str(path), path, Image.open(path)):
        assert_shows(source, smooth)  # type: ignore[arg-type]
    assert_shows(file, smooth, decoder)
    np.testing.assert_array_equal(decoder(file).rgb, load_photo(file).rgb)
    with Client(transport=FakeTransport()) as client:
        assert client.remove(path).rgba.shape == (64, 96, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_the_container_turns_is_turned_once(orientation: int, smooth: NDArray[np.uint8]) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    expected = load_photo(file_of(Image.fromarray(smooth), "PNG", exif=exif)).rgb
    assert_shows(heic(smooth, exif=exif.tobytes()), expected)
    assert_shows(file_of(Image.fromarray(smooth), "AVIF", exif=exif.tobytes(), quality=95), expected)


def test_alpha_and_profile_survive(smooth: NDArray[np.uint8]) -> None:
    alpha = np.where(np.indices((64, 96))[1] < 48, 255, 0).astype(np.uint8)
    photo = load_photo(heic(np.dstack([smooth, alpha])))
    assert photo.alpha is not None
    assert np.abs(photo.alpha.astype(int) - alpha).mean() < 2
    swapped = bytearray(srgb_profile())
    for entry in range(132, 132 + 12 * int.from_bytes(swapped[128:132], "big"), 12):
        name = bytes(swapped[entry : entry + 4])
        swapped[entry : entry + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    plain = load_photo(heic(smooth)).rgb.astype(int)
    labelled = load_photo(heic(smooth, icc_profile=bytes(swapped))).rgb.astype(int)
    assert np.abs(labelled - plain[..., [1, 0, 2]]).mean() < 6  # a profile whose red is green


def test_of_a_thumbnail_and_several_pictures_the_primary_one_is_read(smooth: NDArray[np.uint8]) -> None:
    several = heic(255 - smooth, save_all=True, append_images=[Image.fromarray(smooth)], primary_index=1)
    assert_shows(several, smooth)
    assert Image.open(io.BytesIO(heic(smooth))).info.get("thumbnails") == []


def test_the_size_is_checked_before_anything_is_decoded(
    smooth: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = heic(smooth)
    monkeypatch.setattr(pillow_heif.HeifFile, "data", property(lambda _: pytest.fail("decoded")), raising=False)
    with pytest.raises(ImageTooLargeError, match="96 × 64"):
        load_photo(file, max_pixels=64 * 96 - 1)
    with pytest.raises(NotAnImageError, match="give jpeg, png"):
        load_photo(file, formats=["jpeg", "png"])


def test_damage_ends_in_a_picture_or_in_an_error(
    smooth: NDArray[np.uint8], decoder: IsolatedDecoder, rng: np.random.Generator
) -> None:
    file = heic(smooth)
    refused = []
    for trial in range(60):
        broken = bytearray(file)
        for place in rng.integers(0, len(file) if trial % 2 else 600, 3):
            broken[min(place, len(file) - 1)] ^= 1 << rng.integers(0, 8)
        try:
            decoder(bytes(broken[: rng.integers(1, len(file))] if trial % 5 == 0 else broken), max_pixels=1_000_000)
        except ImageError as error:
            refused.append(str(error))
    assert len(refused) > 10
    assert max(map(len, refused)) < 500


@pytest.fixture
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pillow_heif"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    formats.register.cache_clear()
    yield
    formats.register.cache_clear()


@pytest.mark.usefixtures("without_the_extra")
@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1"])
def test_without_the_extra_the_line_that_installs_it_is_said(brand: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(NotAnImageError, match=r"photo\.heic is a HEIC .*: pip install 'tuft-matting\[heif\]'\.$"):
        load_photo(path)
    with pytest.raises(NotAnImageError, match=r"give jpeg, png, webp, tiff, bmp, gif, ppm, avif\.$"):
        load_photo(b"no picture")


@pytest.mark.parametrize("plugin_options", [{"thumbnails": True}])
def test_a_plugin_that_the_program_has_registered_is_left_alone(
    plugin_options: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pillow_heif.options, "THUMBNAILS", False)
    pillow_heif.register_heif_opener(**plugin_options)
    formats.register.cache_clear()
    formats.register()
    assert pillow_heif.options.THUMBNAILS is True
