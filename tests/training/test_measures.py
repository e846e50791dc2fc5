"""Measures against cases counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tuft_training.measures import Measures, mean, measures


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
    assert measures(empty, empty) == Measures(1.0, 0.0, 0.0)
    assert measures(empty + 0.4, empty).iou == 1.0


def test_mean():
    assert mean([Measures(1, 0, 2), Measures(0, 1, 4)]) == Measures(0.5, 0.5, 3)
