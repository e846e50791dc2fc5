from __future__ import annotations

import numpy as np
import pytest

from tuft.imaging.refine.softness import softness


def edge(softness_px: float, size_hw: tuple[int, int] = (160, 200)) -> np.ndarray:
    row = np.clip((np.arange(size_hw[1]) - size_hw[1] / 2 + 0.5) / softness_px + 0.5, 0, 1).astype(np.float32)
    return np.tile(row, (size_hw[0], 1))


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_a_crisp_edge_is_no_guess_and_a_soft_one_is(scale: float) -> None:
    size_hw = (int(160 * scale), int(200 * scale))
    crisp = softness(edge(3 * scale, size_hw), scale, (40, 50))
    soft = softness(edge(40 * scale, size_hw), scale, (40, 50))
    assert crisp.max() < 0.05
    assert soft[:, 25].min() > 0.9
    assert soft[:, :3].max() < 0.5


def test_it_falls_with_the_distance_from_what_is_vague() -> None:
    along = softness(edge(30), 1.0, (40, 50))[20]
    assert (np.diff(along[:25]) >= -1e-6).all()
    assert (np.diff(along[25:]) <= 1e-6).all()


@pytest.mark.parametrize("size_hw", [(40, 50), (20, 25), (53, 67), (1, 1)])
def test_any_grid_may_be_asked_for(size_hw: tuple[int, int]) -> None:
    soft = softness(edge(30), 1.0, size_hw)
    assert soft.shape == size_hw
    assert soft.min() >= 0
    assert soft.max() <= 1


@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_what_is_sure_is_not_vague(constant: float) -> None:
    assert (softness(np.full((64, 64), constant, np.float32), 1.0, (16, 16)) == 0).all()
