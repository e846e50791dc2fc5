"""The camera: its effects, and the arrays that it must not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuft_training.scenery.camera import Camera, composite
from tuft_training.scenery.layer import Layer

PERFECT = Camera(blur_px=0, gains=(1, 1, 1), vignette=0, noise=0, sharpening=0, quality=101)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_perfect_camera_only_rounds(rng):
    picture = rng.uniform(0, 255, (20, 30, 3)).astype(np.float32)
    np.testing.assert_array_equal(PERFECT.recorded(rng, picture), np.rint(picture))
    np.testing.assert_array_equal(PERFECT.exposed(picture / 255), np.rint(picture))


def test_focus_keeps_the_amount_of_light_and_coverage():
    layer = Layer.empty((60, 60))
    layer.over(np.ones((20, 20), np.float32), np.full((20, 20, 3), 0.5, np.float32), (slice(20, 40), slice(20, 40)))
    soft = replace(PERFECT, blur_px=2.0).focused(layer)
    assert soft.alpha.sum() == pytest.approx(400, rel=1e-3)
    np.testing.assert_allclose(soft.straight_colours()[soft.alpha > 0.01], 0.5, atol=1e-3)


def test_white_balance_and_vignette():
    grey = np.full((51, 51, 3), 0.5, np.float32)
    exposed = replace(PERFECT, gains=(1.2, 1.0, 0.8), vignette=0.4).exposed(grey)
    np.testing.assert_allclose(exposed[25, 25], [153, 128, 102], atol=1)
    np.testing.assert_allclose(exposed[0, 0], exposed[25, 25] * 0.6, atol=1)


def test_noise_has_its_strength(rng):
    flat = np.full((200, 200, 3), 128, np.float32)
    noisy = replace(PERFECT, noise=0.02).recorded(rng, flat)
    assert noisy.std() == pytest.approx(0.02 * 255, rel=0.05)


def test_composite_ends():
    foreground, background = np.full((2, 2, 3), 200, np.uint8), np.full((2, 2, 3), 50, np.uint8)
    alpha = np.array([[0, 1], [0.5, 0.25]], np.float32)
    np.testing.assert_allclose(composite(alpha, foreground, background)[:, :, 0], [[50, 200], [125, 87.5]])
