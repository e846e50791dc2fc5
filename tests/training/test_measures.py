"""Measures against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tuft_training.measures import (
    Measures,
    boundary_f,
    connectivity_error,
    edge_sharpness,
    error_maps,
    gradient_error,
    gradient_kernel,
    mean,
    measures,
    unknown_band,
)


def test_hand_counted():
    truth = np.zeros((10, 10), np.float32)
    truth[:, :4] = 1
    alpha = np.zeros((10, 10), np.float32)
    alpha[:, 2:6] = 1
    result = measures(alpha, truth)
    assert result.iou == pytest.approx(20 / 60)
    assert result.mae == pytest.approx(0.4)
    assert result.sad == pytest.approx(0.04)


def test_perfect_and_empty():
    empty = np.zeros((4, 4), np.float32)
    assert measures(empty, empty) == Measures(1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    assert measures(empty + 0.4, empty).iou == 1.0


def test_mean():
    several = [Measures(1, 0, 2, 3, 4, 1), Measures(0, 1, 4, 5, 6, 0)]
    assert mean(several) == Measures(0.5, 0.5, 3, 4, 5, 0.5)


def test_the_gradient_kernel_is_the_published_one():
    kernel = gradient_kernel()
    assert kernel.shape == (9, 9)
    assert np.linalg.norm(kernel) == pytest.approx(1)
    np.testing.assert_allclose(kernel.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(kernel, kernel[::-1], atol=1e-12)


def test_the_gradient_of_a_step_has_a_closed_form():
    """At a vertical step the derivative is the sum of the kernel's columns beyond it, in eight columns."""
    truth = np.zeros((40, 40), np.float32)
    truth[:, 20:] = 1
    columns = np.cumsum(gradient_kernel().sum(axis=0))[:-1]
    expected = 40 * (columns**2).sum() / 1000
    flat = np.zeros_like(truth)
    assert gradient_error(flat, truth) == pytest.approx(expected, rel=1e-5)
    assert gradient_error(truth, flat) == pytest.approx(expected, rel=1e-5)


def test_a_blur_costs_gradient_but_not_iou():
    truth = np.zeros((40, 40), np.float32)
    truth[10:30, 10:30] = 1
    blurred = np.float32(0.25) * sum(np.roll(truth, (dy, dx), (0, 1)) for dy in (0, 1) for dx in (0, 1))
    assert gradient_error(blurred, truth) > 0.05
    assert measures(blurred, truth).iou > 0.9


def test_a_detached_blob_costs_its_area():
    """A 4×4 blob of 0.8 that is not in the truth is disconnected at level 0: φ is 1 − 0.8 there instead of 1."""
    truth = np.zeros((40, 40), np.float32)
    truth[5:25, 5:25] = 1
    alpha = truth.copy()
    alpha[30:34, 30:34] = 0.8
    assert connectivity_error(alpha, truth) == pytest.approx(16 * 0.8 / 1000, rel=1e-4)
    assert connectivity_error(truth, truth) == 0


def test_small_differences_in_connected_parts_cost_nothing():
    truth = np.full((10, 10), 0.5, np.float32)
    assert connectivity_error(truth + np.float32(0.06), truth) == 0


def test_outlines_within_the_tolerance_agree():
    truth = np.zeros((100, 100), bool)
    truth[20:80, 20:80] = True
    assert boundary_f(np.roll(truth, 2, axis=1), truth) == 1  # 0.8 % of 141 pixels is 2
    far = np.zeros_like(truth)
    far[40:60, 40:60] = True
    assert boundary_f(far, truth) == 0
    half = truth.copy()
    half[:, 50:] = False  # three of its four sides are correct; half of the true outline is found
    assert 0.5 < boundary_f(half, truth) < 0.8


def disk(radius=20.0, soft_px=3.0, centre=(32.0, 32.0)):
    rows, columns = np.indices((64, 64), dtype=np.float32)
    distance = np.hypot(rows - centre[0], columns - centre[1])
    return np.clip((radius - distance) / soft_px + 0.5, 0, 1).astype(np.float32)


def test_parts_add_up_to_the_whole():
    alpha, truth = disk(18), disk(20)
    maps, band = error_maps(alpha, truth), unknown_band(disk(20), 4)
    whole, inside, outside = maps.over(), maps.over(band), maps.over(~band)
    for name in ("sad", "gradient", "connectivity"):
        assert getattr(inside, name) + getattr(outside, name) == pytest.approx(getattr(whole, name), rel=1e-5), name
    assert inside.mse * band.sum() + outside.mse * (~band).sum() == pytest.approx(whole.mse * band.size, rel=1e-5)
    assert maps.over(np.zeros_like(band)).mse == 0


def test_the_band_holds_what_is_near_the_transition():
    truth = disk(20, 3)
    rows, columns = np.indices(truth.shape)
    distance = np.abs(np.hypot(rows - 32, columns - 32) - 20)
    band = unknown_band(truth, 6)
    assert band[distance < 6].all()
    assert not band[distance > 6 + 1.5 + 1].any()
    hard = unknown_band((truth > 0.5).astype(np.float32), 6)
    assert hard[distance < 5].all()
    assert not unknown_band(np.zeros_like(truth)).any()


def test_edge_sharpness_follows_its_definition():
    """Written out with scipy's correlation instead of OpenCV's filter."""
    from scipy.ndimage import correlate

    alpha, truth = disk(19, 6, (30, 33)), disk(20, 3)
    band = unknown_band(truth)
    kernel = gradient_kernel()
    ours, theirs = (
        np.stack([correlate(matte.astype(float), k, mode="nearest")[band] for k in (kernel, kernel.T)])
        for matte in (alpha, truth)
    )
    expected = (ours * theirs).sum() / np.sqrt((ours**2).sum() * (theirs**2).sum())
    assert edge_sharpness(alpha, truth, band) == pytest.approx(expected, abs=1e-5)


def test_edge_sharpness_rewards_the_right_edge_in_the_right_place_only():
    truth = disk(20, 3)
    band = unknown_band(truth)
    assert edge_sharpness(truth, truth, band) == pytest.approx(1)
    assert edge_sharpness(0.5 * truth, truth, band) == pytest.approx(1)
    for worse in (disk(20, 12), disk(20, 0.5), disk(17, 3), disk(20, 3, (34, 32))):
        assert edge_sharpness(worse, truth, band) < 0.995
    assert edge_sharpness(1 - truth, truth, band) == pytest.approx(-1)
    nothing = np.zeros_like(truth)
    assert edge_sharpness(nothing, truth, band) == 0
    assert edge_sharpness(nothing, nothing, band) == 1
