from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tuft import imaging
from tuft.errors import OptionError
from tuft.imaging import encode, format_from_path

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture
def cutout(picture: NDArray[np.uint8]) -> Image.Image:
    alpha = np.clip(np.arange(48) * 8 - 60, 0, 255).astype(np.uint8)
    rgba = np.dstack([picture, np.broadcast_to(alpha, (40, 48))])
    rgba[rgba[..., 3] == 0] = 0
    return Image.fromarray(rgba)


@pytest.mark.parametrize("format", ["png", "webp"])
def test_lossless_formats_keep_every_value(cutout: Image.Image, format: str, rng: np.random.Generator) -> None:
    anything = Image.fromarray(rng.choice(np.array([0, 3, 255], np.uint8), (20, 30, 4)))
    for image in (cutout, cutout.convert("RGB"), anything):
        decoded = Image.open(io.BytesIO(encode(image, format)))
        assert (decoded.format or "").lower() == format
        assert decoded.mode == image.mode
        np.testing.assert_array_equal(np.asarray(decoded), np.asarray(image))


@pytest.mark.parametrize("format", imaging.FORMATS)
def test_arrays_and_pictures_become_the_same_file(cutout: Image.Image, format: str) -> None:
    picture = cutout.convert("RGB") if format == "jpeg" else cutout
    assert encode(np.asarray(picture), format) == encode(picture, format)


def test_an_opaque_zip_is_opaque(cutout: Image.Image) -> None:
    with zipfile.ZipFile(io.BytesIO(encode(cutout.convert("RGB"), "zip"))) as archive:
        assert np.asarray(Image.open(archive.open("alpha.png"))).min() == 255


def test_lossy_webp_is_smaller_and_close(cutout: Image.Image) -> None:
    lossy = encode(cutout, "webp", lossless=False, quality=95)
    assert len(lossy) < len(encode(cutout, "webp"))
    decoded = np.asarray(Image.open(io.BytesIO(lossy)))
    np.testing.assert_array_equal(decoded[..., 3], np.asarray(cutout)[..., 3])


def test_lossy_webp_brings_no_colour_back_under_transparency() -> None:
    rgba = np.zeros((128, 128, 4), np.uint8)
    rgba[:, 64:] = (250, 240, 230, 255)
    decoded = np.asarray(Image.open(io.BytesIO(encode(Image.fromarray(rgba), "webp", lossless=False))))
    assert decoded[:, :32, :3].max() <= 2


def test_zip_holds_colours_and_alpha(cutout: Image.Image) -> None:
    with zipfile.ZipFile(io.BytesIO(encode(cutout, "zip", quality=95))) as archive:
        assert archive.namelist() == ["color.jpg", "alpha.png"]
        colours, alpha = (np.asarray(Image.open(archive.open(name))) for name in archive.namelist())
    wanted = np.asarray(cutout)
    np.testing.assert_array_equal(alpha, wanted[..., 3])
    assert np.abs(colours.astype(int) - wanted[..., :3])[alpha > 0].mean() < 8


def test_the_dark_behind_a_cutout_does_not_show_at_its_edge_in_a_zip() -> None:
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[:, 29:] = (250, 240, 230, 255)
    with zipfile.ZipFile(io.BytesIO(encode(Image.fromarray(rgba), "zip"))) as archive:
        colours = np.asarray(Image.open(archive.open("color.jpg"))).astype(int)
    assert np.abs(colours[:, 29:] - (250, 240, 230)).max() <= 2


def test_jpeg_is_for_opaque_pictures(cutout: Image.Image) -> None:
    opaque = cutout.convert("RGB")
    decoded = np.asarray(Image.open(io.BytesIO(encode(opaque, "jpeg", quality=100)))).astype(int)
    np.testing.assert_allclose(decoded, np.asarray(opaque), atol=6)
    with pytest.raises(OptionError, match="background"):
        encode(cutout, "jpeg")


@pytest.mark.parametrize("format", imaging.FORMATS)
def test_files_depend_on_the_picture_alone_and_tell_nothing_else(cutout: Image.Image, format: str) -> None:
    opaque = cutout.convert("RGB")
    opaque.info["icc_profile"] = b"a profile"
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    opaque.info["exif"] = exif.tobytes()
    file = encode(opaque, format)
    assert file == encode(Image.fromarray(np.asarray(opaque)), format)
    assert b"a camera" not in file
    assert b"a profile" not in file


@pytest.mark.parametrize(
    ("format", "options", "size"),
    [("tiff", {}, (4, 4)), ("png", {"quality": 0}, (4, 4)), ("webp", {}, (16_384, 1)), ("jpeg", {}, (1, 65_501))],
)
def test_what_a_format_cannot_do_is_an_option_error(format: str, options: Any, size: tuple[int, int]) -> None:
    with pytest.raises(OptionError):
        encode(Image.new("RGB", size), format, **options)


def test_format_follows_the_suffix() -> None:
    names = ["a.png", "a.b.PNG", "dir/a.webp", "a.zip", "a.jpg", "a.JPEG"]
    assert [format_from_path(name) for name in names] == ["png", "png", "webp", "zip", "jpeg", "jpeg"]
    for name in ("a.tiff", "a", ".png"):
        with pytest.raises(OptionError, match=r"\.png, \.webp, \.zip"):
            format_from_path(name)
