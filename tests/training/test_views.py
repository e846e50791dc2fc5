"""Random views of photographs keep image, alpha and what is known in step."""

from __future__ import annotations

import numpy as np
import pytest

from tuft_training.pets import Labelled
from tuft_training.views import random_view, resized


@pytest.fixture
def photograph() -> Labelled:
    """A bright disc on dark ground; the ring at its outline is unknown, and painted in the colour of neither."""
    y, x = np.mgrid[:200, :300]
    distance = np.hypot(x - 150, y - 100)
    alpha = (distance < 60).astype(np.float32)
    known = (abs(distance - 60) > 6).astype(np.float32)
    image = np.where(alpha[:, :, None] > 0, (240, 200, 160), (20, 30, 40)).astype(np.uint8)
    image[known == 0] = 128
    return Labelled(image, alpha, known)


def test_views_agree_with_their_labels(photograph: Labelled) -> None:
    for seed in range(40):
        view = random_view(np.random.default_rng(seed), photograph, 96)
        assert [part.shape for part in view] == [(96, 96, 3), (96, 96), (96, 96)]
        assert set(np.unique(view.alpha)) == set(np.unique(view.known)) == {0, 1}
        inside, outside = (view.image[(view.known > 0) & (view.alpha == value)] for value in (1, 0))
        assert np.median(inside) > np.median(outside) + 60, seed
        assert 0.01 < view.alpha.mean() < 0.9


def test_views_are_of_many_aspects_and_the_same_for_a_seed(photograph: Labelled) -> None:
    views = [random_view(np.random.default_rng(seed), photograph, 64) for seed in range(20)]
    aspects = [np.ptp(np.nonzero(v.alpha)[1]) / np.ptp(np.nonzero(v.alpha)[0]) for v in views]
    assert max(aspects) > 1.5 * min(aspects)
    for ours, theirs in zip(views[3], random_view(np.random.default_rng(3), photograph, 64), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("side", [50, 500])
def test_resizing_knows_only_what_every_averaged_pixel_knows(photograph: Labelled, side: int) -> None:
    smaller = resized(photograph, side)
    y, x = (np.mgrid[:side, :side] + 0.5) * [[[200 / side]], [[300 / side]]] - 0.5
    distance = np.hypot(x - 150, y - 100)
    assert not smaller.known[abs(distance - 60) < 6].any()
    assert smaller.known[abs(distance - 60) > 6 + 300 / side + 2].all()
    np.testing.assert_array_equal(smaller.alpha[smaller.known > 0], distance[smaller.known > 0] < 60)
