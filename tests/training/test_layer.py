"""Layers against Porter and Duff's formula, pixel by pixel."""

from __future__ import annotations

import numpy as np

from tuft_training.scenery.layer import Layer


def test_over_gives_the_composite_on_any_background():
    rng = np.random.default_rng(0)
    size_hw = (5, 7)
    layer, background = Layer.empty(size_hw), rng.random((*size_hw, 3), dtype=np.float32)
    expected = background.copy()
    for _ in range(4):
        mask, colours = rng.random(size_hw, dtype=np.float32), rng.random((*size_hw, 3), dtype=np.float32)
        layer.over(mask, colours)
        expected = mask[:, :, None] * colours + (1 - mask[:, :, None]) * expected
    shown = layer.colours + (1 - layer.alpha[:, :, None]) * background
    np.testing.assert_allclose(shown, expected, atol=1e-6)
    straight = layer.straight_colours()
    again = layer.alpha[:, :, None] * straight + (1 - layer.alpha[:, :, None]) * background
    np.testing.assert_allclose(again, expected, atol=1e-6)


def test_over_touches_its_box_only():
    layer = Layer.empty((4, 4))
    layer.over(np.ones((2, 2), np.float32), np.ones((2, 2, 3), np.float32), (slice(1, 3), slice(1, 3)))
    assert layer.alpha.sum() == 4
    assert layer.alpha[1:3, 1:3].min() == 1


def test_cut_removes():
    layer = Layer.empty((2, 2))
    layer.over(np.ones((2, 2), np.float32), np.full((2, 2, 3), 0.5, np.float32))
    layer.cut(np.array([[1, 0], [0.5, 0]], np.float32))
    np.testing.assert_allclose(layer.alpha, [[0, 1], [0.5, 1]])
    np.testing.assert_allclose(layer.straight_colours()[1, 0], 0.5)
