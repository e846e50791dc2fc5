from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from support.colour_models import moved_everywhere

from tuft.imaging.refine.linear_models import ColourModels


def random_models(rng: np.random.Generator, cell: int) -> ColourModels:
    shape = (-(-32 // cell), -(-48 // cell))
    slopes = [rng.normal(0, 0.004, shape).astype(np.float32) for _ in range(3)]
    return ColourModels(cell, slopes, rng.random(shape, dtype=np.float32), rng.random(shape, dtype=np.float32))


@pytest.mark.parametrize("cell", [1, 3, 8, 20])
def test_alpha_moves_as_the_definition_says(cell: int, rng: np.random.Generator) -> None:
    models = random_models(rng, cell)
    photo = rng.integers(0, 256, (32, 48, 3)).astype(np.uint8)
    alpha = rng.random((32, 48), dtype=np.float32)
    places = np.meshgrid(*((np.arange(side) + 0.5) / cell - 0.5 for side in (32, 48)), indexing="ij")

    def everywhere(plane: np.ndarray) -> np.ndarray:
        return map_coordinates(plane.astype(float), places, order=1, mode="nearest")

    said = sum(everywhere(slope) * photo[..., i] for i, slope in enumerate(models.slopes)) + everywhere(models.offset)
    expected = alpha + everywhere(models.trust) * (np.clip(said, 0, 1) - alpha)
    np.testing.assert_allclose(moved_everywhere(models, alpha, photo), expected, atol=2e-4)


def test_the_alpha_given_stays_untouched(rng: np.random.Generator) -> None:
    alpha = rng.random((32, 48), dtype=np.float32)
    before = alpha.copy()
    moved_everywhere(random_models(rng, 4), alpha, rng.integers(0, 256, (32, 48, 3)).astype(np.uint8))
    np.testing.assert_array_equal(alpha, before)
