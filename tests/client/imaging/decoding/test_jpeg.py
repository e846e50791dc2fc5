"""JPEG decoded without Pillow: the same pixels as Pillow's, the same errors."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from tuft.errors import TruncatedImageError
from tuft.imaging import load_photo
from tuft.imaging.decoding import jpeg

KINDS: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0": {"subsampling": 2},
    "coarse": {"quality": 15},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_rows": 1},
    "RGB, not YCbCr": {"keep_rgb": True, "subsampling": 0},
}


@pytest.fixture
def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Noise and slopes, of a size that is no multiple of JPEG's blocks."""
    slopes = np.add.outer(np.arange(75), np.arange(101))[..., None] + rng.integers(0, 60, (75, 101, 3))
    return slopes.astype(np.uint8)


def saved(picture: NDArray[np.uint8], mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def by_pillow(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_decoded_as_by_pillow(kind: str, picture: NDArray[np.uint8]) -> None:
    data = saved(picture, **KINDS[kind])
    pixels = jpeg.decoded(Image.open(io.BytesIO(data)))
    assert pixels is not None
    np.testing.assert_array_equal(pixels, by_pillow(data))
    np.testing.assert_array_equal(load_photo(data).rgb, by_pillow(data))


@pytest.mark.parametrize("factors", [cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411])
def test_rare_subsampling_is_decoded_as_by_pillow(factors: int, picture: NDArray[np.uint8]) -> None:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factors])[1].tobytes()
    np.testing.assert_array_equal(load_photo(data).rgb, by_pillow(data))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_are_left_to_pillow(mode: str, picture: NDArray[np.uint8]) -> None:
    data = saved(picture, mode)
    assert jpeg.decoded(Image.open(io.BytesIO(data))) is None
    np.testing.assert_array_equal(load_photo(data).rgb, by_pillow(data))


def test_a_reduced_or_decoded_image_stays_as_the_caller_has_made_it(picture: NDArray[np.uint8]) -> None:
    data = saved(np.tile(picture, (4, 4, 1)))
    for change in (lambda image: image.draft("RGB", (101, 75)), lambda image: image.paste("red", (0, 0, 50, 50))):
        image, same = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(data))
        change(image)
        change(same)
        np.testing.assert_array_equal(load_photo(image).rgb, np.asarray(same))


def test_the_second_picture_of_a_file_is_not_taken_for_the_first(picture: NDArray[np.uint8]) -> None:
    file = io.BytesIO()
    first, second = Image.fromarray(picture), Image.fromarray(255 - picture)
    first.save(file, "MPO", save_all=True, append_images=[second])
    image = Image.open(file)
    image.seek(1)
    np.testing.assert_allclose(load_photo(image).rgb.mean(), 255 - picture.mean(), atol=2)
    np.testing.assert_array_equal(load_photo(file.getvalue()).rgb, by_pillow(file.getvalue()))


def test_a_profile_is_applied_as_by_pillow(picture: NDArray[np.uint8]) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = srgb.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")  # red is green
    data = saved(picture, icc_profile=profile)
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        "RGB",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    converted = np.asarray(transform.apply(Image.fromarray(by_pillow(data))))
    np.testing.assert_array_equal(load_photo(data).rgb, converted)
    assert np.abs(converted.astype(int) - by_pillow(data)).max() > 20


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_a_file_that_ends_early_is_an_error(share: float, picture: NDArray[np.uint8]) -> None:
    data = saved(picture)
    with pytest.raises(TruncatedImageError, match="ends early"):
        load_photo(data[: int(len(data) * share)])


def test_bytes_that_do_not_belong_there_are_read_over_as_by_pillow(picture: NDArray[np.uint8]) -> None:
    data = saved(picture, restart_marker_rows=1)
    place = data.index(b"\xff\xd0")
    damaged = data[:place] + b"\x00\x17\x2a" + data[place:]
    np.testing.assert_array_equal(load_photo(damaged).rgb, by_pillow(damaged))


def test_pillow_decodes_where_there_is_no_wheel(picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(picture)
    fast = load_photo(data).rgb
    monkeypatch.setattr(jpeg, "simplejpeg", None)
    np.testing.assert_array_equal(load_photo(data).rgb, fast)
