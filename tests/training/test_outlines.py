"""Outlines against areas in closed form."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tuft_training.scenery import outlines


def area(outline):
    return cv2.contourArea(np.ascontiguousarray(outline, dtype=np.float32))


@pytest.mark.parametrize("angle_rad", [0.0, 0.7, 3.0])
def test_ellipse_area(angle_rad):
    assert area(outlines.ellipse((3, -2), (2.0, 0.5), angle_rad)) == pytest.approx(np.pi, rel=0.01)


def test_smooth_blob_is_an_ellipse():
    blob = outlines.blob(np.random.default_rng(0), (0, 0), (1, 2), roughness=0)
    np.testing.assert_allclose(blob, outlines.ellipse((0, 0), (1, 2)), atol=1e-6)


def test_slab_goes_from_ellipse_to_rectangle():
    assert area(outlines.slab((0, 0), (1, 1), 1)) == pytest.approx(np.pi, rel=0.01)
    assert area(outlines.slab((0, 0), (1, 1), 20)) == pytest.approx(4, rel=0.1)


def test_straight_limb_is_a_capsule():
    width, length = 0.2, 1.0
    limb = outlines.limb([(0, 0), (length / 2, 0), (length, 0)], (width, width))
    assert area(limb) == pytest.approx(length * width + np.pi * (width / 2) ** 2, rel=0.02)


def test_turning_keeps_lengths_and_full_turn_is_identity():
    shard = outlines.shard(np.random.default_rng(2), 6, 1.0)
    np.testing.assert_allclose(outlines.turned(shard, 2 * np.pi, (0.3, 0.1)), shard, atol=1e-5)
    assert area(outlines.turned(shard, 1.0)) == pytest.approx(area(shard), rel=1e-4)


def test_curve_ends_at_its_end_knots():
    line = outlines.curve([(0, 0), (1, 5), (2, 0)], 9)
    np.testing.assert_allclose(line[[0, -1]], [(0, 0), (2, 0)], atol=1e-6)
    assert line[4, 1] == pytest.approx(2.5)  # Bezier: a quarter of each end, half of the middle
