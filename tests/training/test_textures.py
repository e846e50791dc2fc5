"""Textures and backgrounds: their ranges and characteristic properties."""

from __future__ import annotations

import numpy as np
import pytest

from tuft_training.scenery import textures
from tuft_training.scenery.backgrounds import background, cast_shadow


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("cell_px", [1.0, 7.0, 300.0])
def test_clouds_fill_the_range(rng, cell_px):
    field = textures.clouds(rng, (40, 60), cell_px, 3)
    assert field.shape == (40, 60)
    assert field.min() == pytest.approx(0, abs=1e-6)
    assert field.max() == pytest.approx(1, abs=1e-6)


def test_ramp_rises_along_its_angle():
    assert (np.diff(textures.ramp((10, 20), 0.0)[0]) > 0).all()
    assert (np.diff(textures.ramp((10, 20), np.pi / 2)[:, 0]) > 0).all()


def test_stripes_have_their_period(rng):
    field = textures.stripes(rng, (256, 256), 16, warp=0)
    spectrum = np.abs(np.fft.fft2(field - field.mean()))
    y, x = np.unravel_index(spectrum.argmax(), spectrum.shape)
    cycles = np.hypot(min(y, 256 - y), min(x, 256 - x))
    # The ramp is scaled to 0..1, so a diagonal one spreads its 16 cycles over up to sqrt(2) sides.
    assert 16 / np.sqrt(2) - 1 <= cycles <= 17


def test_coloured_ends_are_the_palette_ends():
    palette = np.array([[0, 0.2, 1], [1, 0.5, 0]], np.float32)
    colours = textures.coloured(np.array([[0, 1.0]], np.float32), palette)
    np.testing.assert_allclose(colours[0], palette, atol=1e-6)


def test_photograph_crop_mirrors_but_invents_nothing():
    grey = np.full((50, 80, 3), 100, np.uint8)
    crop = textures.photograph_crop(np.random.default_rng(1), (32, 48), (grey,))
    assert crop.shape == (32, 48, 3)
    assert np.ptp(crop) < 1e-6


@pytest.mark.parametrize("seed", range(15))
def test_backgrounds_are_pictures(seed):
    picture = background(np.random.default_rng(seed), (48, 64))
    assert picture.shape == (48, 64, 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_shadow_only_darkens(rng):
    picture = np.full((60, 60, 3), 0.8, np.float32)
    alpha = np.zeros((60, 60), np.float32)
    alpha[20:40, 20:40] = 1
    cast_shadow(rng, picture, alpha)
    assert picture.max() <= 0.8 + 1e-6
    assert picture.min() < 0.75
