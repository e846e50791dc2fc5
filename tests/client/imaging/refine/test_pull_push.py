from __future__ import annotations

import numpy as np
import pytest

from tuft.imaging.refine.pull_push import pull_push


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 9), (7, 1), (33, 50)])
def test_one_known_place_colours_everything(size_hw: tuple[int, int], rng: np.random.Generator) -> None:
    planes = rng.random((3, *size_hw), dtype=np.float32)
    weight = np.zeros(size_hw, np.float32)
    weight[size_hw[0] // 2, size_hw[1] // 3] = 1
    known = planes[:, size_hw[0] // 2, size_hw[1] // 3]
    np.testing.assert_allclose(
        pull_push(planes, weight), np.broadcast_to(known[:, None, None], planes.shape), atol=1e-3
    )


def test_what_is_known_stays() -> None:
    rng = np.random.default_rng(1)
    planes = rng.random((2, 40, 30), dtype=np.float32)
    weight = (rng.random((40, 30)) < 0.3).astype(np.float32)
    np.testing.assert_allclose(pull_push(planes, weight)[:, weight > 0], planes[:, weight > 0], atol=5e-3)


def test_the_nearer_colour_wins() -> None:
    planes = np.zeros((1, 32, 64), np.float32)
    planes[:, :, 32:] = 1
    weight = np.zeros((32, 64), np.float32)
    weight[:, :8] = weight[:, 56:] = 1
    filled = pull_push(planes, weight)[0]
    assert filled[:, :20].max() < 0.3
    assert filled[:, 44:].min() > 0.7
    assert filled.min() >= 0
    assert filled.max() <= 1 + 1e-6
