"""Strands: they leave the body, keep its colours, and stay premultiplied."""

from __future__ import annotations

import numpy as np

from tuft_training.scenery.layer import Layer
from tuft_training.scenery.strands import draw_whiskers, grow_fur


def disc(radius_px: float = 30, side_px: int = 96) -> Layer:
    y, x = np.mgrid[:side_px, :side_px] - side_px / 2
    mask = np.clip(radius_px - np.hypot(x, y) + 0.5, 0, 1).astype(np.float32)
    layer = Layer.empty((side_px, side_px))
    layer.over(mask, np.full((side_px, side_px, 3), (0.6, 0.3, 0.1), np.float32))
    return layer


def test_fur_grows_outwards_and_is_partly_transparent():
    layer = disc()
    before = layer.alpha.copy()
    grow_fur(np.random.default_rng(0), layer, length_px=12)
    assert (layer.alpha >= before - 1e-5).all()
    fringe = layer.alpha[before == 0]
    assert fringe.sum() > 50
    assert ((fringe > 0.05) & (fringe < 0.95)).sum() > 50
    y, x = np.nonzero((before == 0) & (layer.alpha > 0.1))
    assert np.hypot(x - 48, y - 48).max() < 30 + 1.3 * 12 + 3


def test_strands_keep_the_hue_of_their_roots():
    layer = disc()
    grow_fur(np.random.default_rng(1), layer, length_px=12)
    colours = layer.straight_colours()[layer.alpha > 0.2]
    assert (colours[:, 0] >= colours[:, 1]).all()
    assert (colours[:, 1] >= colours[:, 2] - 0.02).all()
    assert (layer.colours <= layer.alpha[:, :, None] + 1e-3).all()


def test_an_empty_layer_stays_empty():
    layer = Layer.empty((40, 40))
    grow_fur(np.random.default_rng(0), layer, length_px=5)
    draw_whiskers(np.random.default_rng(0), layer, [])
    assert not layer.alpha.any()


def test_whiskers_are_thin():
    layer = Layer.empty((64, 64))
    line = np.stack([np.linspace(5, 60, 8), np.full(8, 30.25)], axis=1).astype(np.float32)
    draw_whiskers(np.random.default_rng(0), layer, [line])
    per_column = layer.alpha[:, 10:55].sum(axis=0)
    assert (per_column > 0.3).all()
    assert (per_column < 2.5).all()
