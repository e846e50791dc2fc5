"""Differences between saliency maps, and the pictures they are measured on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from _gpu.parity import Answers, difference, differences, parity_pictures, quality

if TYPE_CHECKING:
    from pathlib import Path


def test_differences_are_those_of_the_numbers() -> None:
    expected = np.array([[[0.2, 0.6], [0.9, 0.4]]], np.float32)
    actual = np.array([[[0.2, 0.4], [np.nan, 0.4 + 0.9 / 255]]], np.float32)
    found = difference(actual, expected)
    assert found.max_abs == 1  # of the pixel that is no number
    assert found.mean_abs == pytest.approx((0.2 + 1 + 0.9 / 255) / 4, rel=1e-5)
    assert (found.off_share, found.iou, found.not_finite) == (0.5, 0, 1)
    nothing = difference(np.zeros_like(expected), np.zeros_like(expected))
    assert (nothing.max_abs, nothing.iou) == (0, 1)


def test_a_batch_is_compared_with_the_same_pictures_alone() -> None:
    rng = np.random.default_rng(0)
    singles = rng.random((3, 4, 4), np.float32)
    told = differences(["a", "b"], Answers(singles, singles[:2] + np.float32(0.125)), Answers(singles, singles[:2]))
    assert set(told["pictures"]) == {"a", "b"}
    assert told["pictures"]["a"]["max_abs"] == 0
    assert told["batch"]["max_abs"] == pytest.approx(0.125)


def test_the_quality_of_the_truth_is_perfect(scene: Any) -> None:
    case = SimpleNamespace(alpha=scene.alpha)
    assert quality([scene.alpha], [case]) == pytest.approx({"iou": 1, "gradient": 0}, abs=1e-9)
    shifted = quality([np.roll(scene.alpha, 9, axis=1)], [case])
    assert shifted["iou"] < 0.9
    assert shifted["gradient"] > 0


def test_photographs_of_a_folder_are_taken(photos: Path) -> None:
    pictures = parity_pictures(64, photos)
    assert {"dog.png", "noise", "one bright pixel"} <= set(pictures)
    assert {picture.shape for picture in pictures.values()} == {(64, 64, 3)}
