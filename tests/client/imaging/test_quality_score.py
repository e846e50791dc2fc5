"""The score on scenes with known alpha: high if correct, lower if wrong, zero if blank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuft.imaging.quality_score import Features, features, quality_score, reduced, score_from_features

if TYPE_CHECKING:
    from collections.abc import Callable

    Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture
def right(make_scene: Callable[..., Any]) -> tuple[Pixels, Pixels]:
    """A disk's true alpha and its photograph."""
    scene = make_scene((600, 800))
    return np.rint(scene.alpha * 255).astype(np.uint8), scene.rgb


def test_the_truth_scores_high(right: tuple[Pixels, Pixels]) -> None:
    assert quality_score(*right) > 0.95


@pytest.mark.parametrize("how", ["blurred", "shifted", "faded", "hazy"])
def test_what_is_wrong_scores_lower(right: tuple[Pixels, Pixels], how: str) -> None:
    alpha, rgb = right
    wrong = {
        "blurred": cv2.GaussianBlur(alpha, (0, 0), 8),
        "shifted": np.roll(alpha, 40, axis=1),
        "faded": alpha // 2,
        "hazy": np.maximum(alpha, 40),
    }[how]
    assert quality_score(wrong, rgb) < quality_score(alpha, rgb) - 0.01


def test_more_blur_scores_lower_still(right: tuple[Pixels, Pixels]) -> None:
    alpha, rgb = right
    scores = [quality_score(cv2.GaussianBlur(alpha, (0, 0), sigma), rgb) for sigma in (1, 4, 8, 16, 32)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("level", [0, 255])
def test_an_alpha_that_separates_nothing_scores_zero(right: tuple[Pixels, Pixels], level: int) -> None:
    alpha, rgb = right
    assert quality_score(np.full_like(alpha, level), rgb) == 0


def test_it_is_the_same_at_any_size(make_scene: Callable[..., Any]) -> None:
    scores = []
    for factor in (1, 2, 3):
        scene = make_scene((480 * factor, 640 * factor), edge_px=12.0 * factor)
        scores.append(quality_score(np.rint(scene.alpha * 255).astype(np.uint8), scene.rgb))
    assert scores == pytest.approx([scores[0]] * 3, abs=0.01)


def test_it_is_the_same_for_the_same_pixels_and_changes_none(right: tuple[Pixels, Pixels]) -> None:
    alpha, rgb = (pixels.copy() for pixels in right)
    assert quality_score(alpha, rgb) == quality_score(alpha, rgb)
    np.testing.assert_array_equal(alpha, right[0])
    np.testing.assert_array_equal(rgb, right[1])


def test_a_colour_between_two_says_where_alpha_lies(make_scene: Callable[..., Any]) -> None:
    """Colours and alpha agree in a true composite, but not if alpha's edge is shifted."""
    scene = make_scene((480, 640), edge_px=30.0)
    alpha = np.rint(scene.alpha * 255).astype(np.uint8)
    true, beside = features(alpha, scene.rgb), features(np.roll(alpha, 30, axis=0), scene.rgb)
    assert true.disagreement < 0.1 < beside.disagreement
    assert true.vagueness == pytest.approx(beside.vagueness, rel=0.01)
    assert true.subject == pytest.approx(float(scene.alpha.mean()), abs=0.005)


@settings(max_examples=30)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 2**32 - 1))
def test_any_picture_has_a_score(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha, rgb = (rng.integers(0, 256, shape, np.uint8) for shape in ((height, width), (height, width, 3)))
    assert 0 <= quality_score(alpha, rgb) <= 1
    assert max(reduced(alpha).shape) <= 480
    assert reduced(rgb).shape == (*reduced(alpha).shape, 3)


@given(st.floats(0.001, 0.999), st.floats(0, 4), st.floats(0, 1), st.floats(0, 1))
def test_it_falls_with_every_feature(subject: float, vagueness: float, disagreement: float, more: float) -> None:
    score = score_from_features(Features(subject, vagueness, disagreement))
    assert 0 <= score_from_features(Features(subject, vagueness + more, disagreement)) <= score <= 1
    assert 0 <= score_from_features(Features(subject, vagueness, disagreement + more)) <= score <= 1


def test_reduced_pictures_are_means_of_cells() -> None:
    """The mean of 2 × 2 of the 4 × 4 pixels of a cell."""
    picture = np.random.default_rng(0).integers(0, 256, (1280, 960), np.uint8)
    cells = picture[::2, ::2].reshape(320, 2, 240, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(reduced(picture), cells, atol=0.5)
