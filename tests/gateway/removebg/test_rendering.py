"""Sizes, formats, backgrounds and channels of remove.bg's protocol, compared with the cut-out's own methods."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tuft import Client, Cutout
from tuft_gateway.removebg.fields import RemoveBgRequest, Source
from tuft_gateway.removebg.rendering import Rendered, render

WIDTH, HEIGHT = 6000, 4500  # 27 megapixels


@pytest.fixture
def cutout(client: Client, photograph: bytes) -> Cutout:
    return client.remove(photograph)


@pytest.fixture(scope="module")
def large() -> Cutout:
    """27 megapixels with a subject of one colour."""
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[1500:3000, 2000:4000] = (200, 120, 40, 255)
    colours = np.ascontiguousarray(rgba[..., :3])
    return Cutout(rgba, colours, colours, "standard", "standard", None, "model", "1", {})


def rendered(cutout: Cutout, background: Any = None, **fields: Any) -> Rendered:
    return render(cutout, RemoveBgRequest(source=Source(b""), **fields), background)


def picture(answer: Rendered) -> Image.Image:
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize(
    ("size", "format", "megapixels"),
    [
        ("preview", "png", 0.25), ("small", "jpg", 0.25), ("regular", "webp", 0.25), ("medium", "png", 1.5),
        ("hd", "jpg", 4), ("full", "png", 10), ("full", "jpg", 25), ("4k", "jpg", 25), ("50MP", "png", 10),
        ("50MP", "jpg", 27), ("auto", "png", 10),
    ],
)  # fmt: skip
def test_sizes_are_megapixels_by_format(size: str, format: str, megapixels: float, large: Cutout) -> None:
    answer = rendered(large, size=size, format=format)
    width, height = answer.size_wh
    assert picture(answer).size == (width, height)
    assert width * height <= megapixels * 1e6
    assert width * height > 0.99 * megapixels * 1e6
    assert width / height == pytest.approx(WIDTH / HEIGHT, rel=0.01)
    most = 10e6 if format == "png" else 25e6
    assert 0.99 * most < np.prod(answer.max_size_wh) <= most
    left, top, box_width, box_height = answer.foreground
    scale = width / WIDTH
    assert (left, top) == pytest.approx((2000 * scale, 1500 * scale), abs=2)
    assert (box_width, box_height) == pytest.approx((2000 * scale, 1500 * scale), abs=3)


def test_a_small_photograph_is_never_enlarged(cutout: Cutout) -> None:
    answer = rendered(cutout, size="50MP", format="png")
    assert answer.size_wh == answer.max_size_wh == (160, 120)
    assert answer.content == cutout.to_bytes("png")


def test_auto_is_jpg_where_nothing_is_transparent(cutout: Cutout) -> None:
    behind = np.full((40, 40, 3), 90, np.uint8)
    assert rendered(cutout).media_type == "image/png"
    assert rendered(cutout, alpha_only=True).media_type == "image/png"
    assert rendered(cutout, colour=(1, 2, 3)).media_type == "image/jpeg"
    assert rendered(cutout, colour=(1, 2, 3, 100)).media_type == "image/png"
    assert rendered(cutout, behind).media_type == "image/jpeg"
    opaque = replace(cutout, rgba=np.dstack((cutout.photo, np.full((120, 160), 255, np.uint8))))
    assert rendered(opaque).media_type == "image/jpeg"


def test_a_jpg_without_a_background_is_white(cutout: Cutout) -> None:
    assert rendered(cutout, format="jpg").content == cutout.to_bytes("jpeg", background="white")
    translucent = rendered(cutout, format="jpg", colour=(255, 0, 0, 128))
    assert picture(translucent).getpixel((0, 0)) == pytest.approx((255, 127, 127), abs=3)


def test_backgrounds_are_those_of_the_cutout(cutout: Cutout) -> None:
    behind = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    assert rendered(cutout, behind, format="png").content == cutout.to_bytes("png", background=behind)
    for colour in ((10, 20, 30), (10, 20, 30, 77)):
        expected = cutout.to_bytes("png", background=colour)
        assert rendered(cutout, format="png", colour=colour).content == expected


def test_alpha_alone(cutout: Cutout) -> None:
    for format in ("png", "webp", "jpg"):
        shown = np.asarray(picture(rendered(cutout, alpha_only=True, format=format)).convert("L"))
        assert np.abs(shown.astype(int) - cutout.alpha).max() <= (0 if format != "jpg" else 12)


def test_crop_place_and_shadow_in_this_order(cutout: Cutout) -> None:
    answer = rendered(
        cutout, crop=True, crop_margin="10%", scale="50%", position="0% 100%", shadow="drop", format="png"
    )
    expected = cutout.cropped("10%").placed("50%", "0% 100%").with_shadow("drop", 50)
    assert answer.content == expected.to_bytes("png")
    # The rectangle is the subject's, without its shadow.
    assert answer.foreground == cutout.cropped("10%").placed("50%", "0% 100%").foreground_box
    assert rendered(cutout, crop_margin="10%").size_wh == (160, 120)  # only with crop
