from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tuft.errors import OptionError
from tuft.imaging.compose import blurred_background, cutout, over, over_translucent, parse_colour

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@st.composite
def pictures(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A foreground, an alpha and a background of one size."""
    height, width = draw(SHAPES)
    foreground, background = (draw(arrays(np.uint8, (height, width, 3))) for _ in range(2))
    return foreground, draw(arrays(np.uint8, (height, width))), background


# --- the cut-out


@given(pictures())
def test_a_cutout_has_straight_colours_and_none_where_it_is_transparent(layers: tuple[np.ndarray, ...]) -> None:
    foreground, alpha, _ = layers
    before = foreground.copy()
    rgba = cutout(foreground, alpha)
    assert (rgba.dtype, rgba.shape) == (np.uint8, (*alpha.shape, 4))
    np.testing.assert_array_equal(rgba[..., 3], alpha)
    np.testing.assert_array_equal(rgba[..., :3][alpha > 0], foreground[alpha > 0])
    assert not rgba[alpha == 0].any()
    np.testing.assert_array_equal(foreground, before)


@given(pictures())
def test_over_a_picture_is_the_compositing_equation(layers: tuple[np.ndarray, ...]) -> None:
    foreground, alpha, background = layers
    a = alpha[..., None] / 255
    exact = a * foreground + (1 - a) * background
    np.testing.assert_allclose(over(cutout(foreground, alpha), background), exact, atol=0.5001)


@given(pictures(), st.tuples(*[st.integers(0, 255)] * 3))
def test_over_a_colour_is_the_compositing_equation(
    layers: tuple[np.ndarray, ...], colour: tuple[int, int, int]
) -> None:
    foreground, alpha, _ = layers
    a = alpha[..., None] / 255
    exact = a * foreground + (1 - a) * np.array(colour)
    np.testing.assert_allclose(over(cutout(foreground, alpha), colour), exact, atol=0.5001)


def test_tall_pictures_are_made_in_strips_that_do_not_show(rng: np.random.Generator) -> None:
    height = 150
    foreground, background = (rng.integers(0, 256, (height, 5, 3)).astype(np.uint8) for _ in range(2))
    alpha = rng.choice(np.array([0, 1, 128, 255], np.uint8), (height, 5))
    rgba = cutout(foreground, alpha)
    np.testing.assert_array_equal(rgba, np.dstack([foreground * (alpha[..., None] > 0), alpha]))
    a = alpha[..., None] / 255
    np.testing.assert_allclose(over(rgba, background), a * foreground + (1 - a) * background, atol=0.5001)
    np.testing.assert_allclose(over(rgba, (9, 8, 7)), a * foreground + (1 - a) * (9, 8, 7), atol=0.5001)


def test_every_foreground_alpha_and_background_mixes_to_the_nearest_level() -> None:
    levels = np.arange(0, 256, 3, dtype=np.uint8)
    foreground, alpha, background = (axis.reshape(86 * 86, 86) for axis in np.meshgrid(levels, levels, levels))
    exact = (foreground.astype(int) * alpha + background.astype(int) * (255 - alpha) + 127) // 255
    mixed = over(np.dstack([foreground] * 3 + [alpha]), np.dstack([background] * 3))
    np.testing.assert_array_equal(mixed[..., 0], exact)


@given(pictures(), st.tuples(*[st.integers(0, 255)] * 3), st.data())
def test_over_a_translucent_layer_is_the_equation_of_porter_and_duff(
    layers: tuple[np.ndarray, ...], colour: tuple[int, int, int], data: st.DataObject
) -> None:
    foreground, alpha, _ = layers
    opacity = data.draw(arrays(np.uint8, alpha.shape))
    above = alpha / 255
    below = (1 - above) * opacity / 255
    mixed = over_translucent(cutout(foreground, alpha), colour, opacity)
    np.testing.assert_allclose(mixed[..., 3], 255 * (above + below), atol=0.501)
    seen = mixed[..., 3] > 0
    weighted = above[..., None] * foreground + below[..., None] * np.array(colour)
    exact = weighted[seen] / (above + below)[seen][:, None]
    np.testing.assert_allclose(mixed[..., :3][seen], exact, atol=0.51)
    assert not mixed[~seen].any()


# --- a background of another size


@pytest.mark.parametrize("size_hw", [(10, 10), (30, 20), (20, 30), (500, 40), (1, 1), (4, 100)])
def test_a_background_covers_the_whole_picture(size_hw: tuple[int, int]) -> None:
    nothing = np.zeros((20, 30, 4), np.uint8)
    assert (over(nothing, np.full((*size_hw, 3), (9, 8, 7), np.uint8)) == (9, 8, 7)).all()


def test_a_background_is_cropped_in_the_middle_and_not_squashed() -> None:
    rows, columns = np.indices((40, 100))
    background = np.dstack([columns * 2, rows * 5, 0 * rows]).astype(np.uint8)
    shown = over(np.zeros((40, 40, 4), np.uint8), background)
    np.testing.assert_array_equal(shown, background[:, 30:70])
    twice = over(np.zeros((80, 80, 4), np.uint8), background)  # twice as large: every pixel doubled, in place
    np.testing.assert_allclose(twice[2:-2:2, 2:-2:2], background[1:-1, 31:69], atol=2)
    half = over(np.zeros((20, 20, 4), np.uint8), background)
    np.testing.assert_allclose(half, background[:, 30:70].reshape(20, 2, 20, 2, 3).mean((1, 3)), atol=1)


# --- a blurred background


def scene(subject: tuple[int, int, int], size: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """A disk on two halves, grey and green, and its alpha with a soft edge."""
    rows, columns = np.indices((size, size)) - size / 2
    alpha = np.clip(size / 4 - np.hypot(rows, columns), 0, 1)
    behind = np.where((columns < 0)[..., None], (100, 100, 100), (40, 160, 40))
    return np.rint(alpha[..., None] * subject + (1 - alpha[..., None]) * behind).astype(np.uint8), np.rint(
        alpha * 255
    ).astype(np.uint8)


def test_the_subject_does_not_bleed_into_the_blur() -> None:
    red, alpha = scene((255, 0, 0))
    blurred, clear = blurred_background(red, alpha).astype(int), alpha == 0
    assert blurred[clear][:, 0].max() <= 104  # a plain blur is as red as 160 just outside the disk
    assert blurred[clear][:, 1].min() >= 97
    assert blurred[..., 0].max() <= 115  # nor does the half-transparent rim bleed
    np.testing.assert_allclose(blurred[64, 4], (100, 100, 100), atol=1)
    np.testing.assert_allclose(blurred[64, -4], (40, 160, 40), atol=1)


def test_it_is_normalised_convolution(rng: np.random.Generator) -> None:
    """Compared with the formula in double precision, at a size at which a cell is one pixel."""
    from scipy.ndimage import gaussian_filter

    _, alpha = scene((0, 0, 0), size=256)
    rgb = gaussian_filter(rng.normal(128, 200, (256, 256, 3)), (2, 2, 0)).clip(0, 255).astype(np.uint8)
    certainty = (1 - alpha[..., None] / 255) ** 4
    shown, weight = np.zeros(rgb.shape), np.zeros(certainty.shape)
    for factor, share in ((1, 1), (4, 1e-3), (16, 1e-6)):
        sigma = (4 * factor, 4 * factor, 0)
        shown += share * gaussian_filter(certainty * rgb, sigma, mode="mirror")
        weight += share * gaussian_filter(certainty, sigma, mode="mirror")
    np.testing.assert_allclose(blurred_background(rgb, alpha), shown / weight, atol=3)


def test_opaque_colours_have_no_influence_whatever(rng: np.random.Generator) -> None:
    rgb, alpha = scene((255, 0, 0), size=300)
    other = rgb.copy()
    other[alpha == 255] = rng.integers(0, 256, ((alpha == 255).sum(), 3))
    np.testing.assert_array_equal(blurred_background(rgb, alpha), blurred_background(other, alpha))


def test_it_is_a_gaussian_blur_where_there_is_no_subject(rng: np.random.Generator) -> None:
    from scipy.ndimage import gaussian_filter

    rgb = rng.integers(0, 256, (100, 256, 3)).astype(np.uint8)
    blurred = blurred_background(rgb, np.zeros((100, 256), np.uint8))
    expected = gaussian_filter(rgb.astype(float), (4, 4, 0), mode="mirror")
    assert np.abs(blurred - expected).max() <= 2


def test_it_reaches_behind_large_subjects_and_survives_full_ones() -> None:
    rgb = np.full((200, 300, 3), (10, 200, 30), np.uint8)
    alpha = np.full((200, 300), 255, np.uint8)
    assert blurred_background(rgb, alpha).shape == rgb.shape
    alpha[:, :3] = 0
    np.testing.assert_allclose(blurred_background(rgb, alpha), rgb, atol=1)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_photographs_of_any_shape_can_be_blurred(size_hw: tuple[int, int]) -> None:
    rgb = np.full((*size_hw, 3), 77, np.uint8)
    np.testing.assert_allclose(blurred_background(rgb, np.zeros(size_hw, np.uint8)), rgb, atol=1)


# --- colours


def test_colours_by_name_and_number() -> None:
    written = ["white", "#fff", "#FFFFFF", "FFF", "ffffff", "#ffff", "ffffffff", "black", "#102030", "102030", "Red"]
    colours = [(255, 255, 255)] * 7 + [(0, 0, 0), (16, 32, 48), (16, 32, 48), (255, 0, 0)]
    assert [parse_colour(text) for text in written] == colours
    assert [parse_colour(text) for text in ("rebeccapurple", " navy ", "rgb(1,2,3)")] == [
        (102, 51, 153),
        (0, 0, 128),
        (1, 2, 3),
    ]


def test_colours_with_alpha() -> None:
    assert parse_colour("81d4fa77") == parse_colour("#81D4FA77") == (0x81, 0xD4, 0xFA, 0x77)
    assert parse_colour("#1234") == (0x11, 0x22, 0x33, 0x44)
    assert parse_colour((1, 2, 3, 0)) == (1, 2, 3, 0)
    assert parse_colour((1, 2, 3, 255)) == (1, 2, 3)


def test_colours_as_numbers_of_any_kind() -> None:
    for numbers in ((1, 2, 3), [1, 2, 3], np.array([1, 2, 3], np.uint8), tuple(np.array([1, 2, 3]))):
        parsed = parse_colour(numbers)
        assert (parsed, {type(level) for level in parsed}) == ((1, 2, 3), {int})


@pytest.mark.parametrize(
    "colour",
    [
        *[
            "",
            "whitish",
            "#ff",
            "#12345",
            "12345",
            "1234567",
            "#ggg",
            "blur",
            "255,255,255",
            "a" * 1000,
            "rgb(300,0,0)",
        ],
        *[(300, 0, 0), (-1, 0, 0), (1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (True, True, True), (0, 0, 0, 256), (1, 2), ()],
        *[("a", "b", "c"), (1, 2, 3, 4, 5), (1, 2, None), {1, 2, 3}, None, 7, np.array([300, 0, 0])],
    ],
    ids=repr,
)
def test_other_colours_are_option_errors(colour: Any) -> None:
    with pytest.raises(OptionError, match="#rrggbb") as caught:
        parse_colour(colour)
    assert len(str(caught.value)) < 200
