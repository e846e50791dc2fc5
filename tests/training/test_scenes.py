"""Scenes: exact compositing, determinism, and the distribution of alpha."""

from __future__ import annotations

import numpy as np
import pytest

from tuft_training.scenes import scene

SIZE_HW = (96, 128)


@pytest.fixture(scope="module")
def photographs():
    rng = np.random.default_rng(0)
    return (rng.integers(0, 256, (90, 140, 3), dtype=np.uint8), rng.integers(0, 256, (50, 60, 3), dtype=np.uint8))


@pytest.mark.parametrize("seed", range(12))
def test_image_is_the_composite(seed):
    made = scene(seed, SIZE_HW, recorded=False)
    alpha = made.alpha.astype(np.float64)[:, :, None]
    composite = alpha * made.foreground + (1 - alpha) * made.background
    # Rounding of a float32 computation: half a level and a little.
    assert np.abs(made.image - composite).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("seed", range(6))
def test_camera_changes_the_image_only(seed):
    recorded, exact = scene(seed, SIZE_HW), scene(seed, SIZE_HW, recorded=False)
    np.testing.assert_array_equal(recorded.alpha, exact.alpha)
    np.testing.assert_array_equal(recorded.foreground, exact.foreground)
    assert np.abs(recorded.image.astype(int) - exact.image).mean() < 25


def test_same_seed_same_scene(photographs):
    for seed in (3, 4, 10**12):
        first, again = scene(seed, SIZE_HW, photographs), scene(seed, SIZE_HW, photographs)
        for name in ("image", "alpha", "foreground", "background"):
            np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_other_seed_other_scene():
    assert not np.array_equal(scene(0, SIZE_HW).image, scene(1, SIZE_HW).image)


@pytest.mark.parametrize("size_hw", [(32, 32), (64, 200), (161, 97)])
def test_shapes_types_and_ranges(size_hw, photographs):
    for seed in range(5):
        made = scene(seed, size_hw, photographs)
        for picture in (made.image, made.foreground, made.background):
            assert picture.shape == (*size_hw, 3)
            assert picture.dtype == np.uint8
        assert made.alpha.shape == size_hw
        assert made.alpha.dtype == np.float32
        assert made.alpha.min() >= 0
        assert made.alpha.max() <= 1


def test_subjects_vary_in_size_and_have_soft_edges():
    alphas = [scene(seed, (96, 96)).alpha for seed in range(150)]
    shares = np.array([alpha.mean() for alpha in alphas])
    assert np.mean(shares < 0.002) < 0.08  # few empty pictures
    assert np.quantile(shares, 0.1) < 0.12
    assert np.quantile(shares, 0.9) > 0.4
    soft = np.mean([((alpha > 0.02) & (alpha < 0.98)).mean() for alpha in alphas])
    assert 0.01 < soft < 0.25


def test_some_subjects_are_cut_by_the_frame():
    lowest_rows = [scene(seed, (64, 64)).alpha[-1].max() for seed in range(80)]
    assert 0.15 < np.mean(np.array(lowest_rows) > 0.5) < 0.85
