from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tuft.imaging.preprocess import network_image

if TYPE_CHECKING:
    from tuft.presets import Resize


@pytest.mark.parametrize("photo_hw", [(300, 400), (1400, 37), (1, 500), (64, 64)])
@pytest.mark.parametrize("size", [256, 384])
def test_static_is_the_references_own_resize(photo_hw: tuple[int, int], size: int, rng: np.random.Generator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = pytest.importorskip("transparent_background.utils")
    rgb = rng.integers(0, 256, (*photo_hw, 3)).astype(np.uint8)
    expected = np.asarray(reference.static_resize([size, size])(Image.fromarray(rgb)))
    np.testing.assert_array_equal(network_image(rgb, size, "static")[0], expected)


@pytest.mark.parametrize("resize", ["static", "dynamic"])
@pytest.mark.parametrize("photo_hw", [(1, 1), (1, 5000), (5000, 1), (7, 3), (300, 200)])
def test_the_network_gets_a_contiguous_square_of_any_photograph(photo_hw: tuple[int, int], resize: Resize) -> None:
    picture, geometry = network_image(np.full((*photo_hw, 3), (1, 2, 3), np.uint8), 128, resize)
    assert (picture.dtype, picture.shape, picture.flags.c_contiguous) == (np.uint8, (128, 128, 3), True)
    assert (picture == (1, 2, 3)).all()  # whatever fills the margin adds no contour
    assert (geometry.photo_hw, geometry.size) == (photo_hw, 128)


def test_dynamic_margins_repeat_the_edge_pixels(rng: np.random.Generator) -> None:
    rgb = rng.integers(0, 256, (50, 100, 3)).astype(np.uint8)
    picture, geometry = network_image(rgb, 100, "dynamic")
    assert (geometry.box_hw, geometry.offset_yx) == ((50, 100), (25, 0))
    np.testing.assert_array_equal(picture[25:75], rgb)  # the photograph itself, at its own size
    np.testing.assert_array_equal(picture[:25], np.broadcast_to(rgb[0], (25, 100, 3)))
    np.testing.assert_array_equal(picture[75:], np.broadcast_to(rgb[-1], (25, 100, 3)))


@given(scale=st.floats(0.2, 5), aspect=st.floats(0.1, 1))
@settings(max_examples=25)
def test_dynamic_shows_circles_as_circles(scale: float, aspect: float) -> None:
    """Whatever the photograph's size, the middle of the square is the middle of the photograph, isotropically."""
    height, width = max(2, round(200 * scale * aspect)), max(2, round(200 * scale))
    rows, columns = np.indices((height, width)) - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    distance = np.hypot(rows, columns) / width  # of the long side
    rgb = np.dstack([np.rint(255 * distance).astype(np.uint8)] * 3)
    picture, geometry = network_image(rgb, 256, "dynamic")
    box = picture[geometry.box][..., 0] / 255
    rows, columns = np.indices(box.shape) - (np.array(box.shape) - 1)[:, None, None] / 2
    assert np.abs(box - np.hypot(rows, columns) / 256).max() < 2 / min(256, width) + 0.02
