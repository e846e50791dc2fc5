from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from tuft.imaging.refine.grid import cells_of, enlarged


@pytest.mark.parametrize("cell", [1, 2, 5, 8])
def test_cells_are_means(cell: int, rng: np.random.Generator) -> None:
    picture = rng.random((8 * cell, 5 * cell, 3), dtype=np.float32)
    means = picture.reshape(8, cell, 5, cell, 3).mean((1, 3))
    np.testing.assert_allclose(cells_of(picture, cell), means, atol=1e-6)
    np.testing.assert_allclose(cells_of(np.rint(picture * 255).astype(np.uint8), cell), means * 255, atol=1)


def test_overhanging_cells_see_the_edge_repeated() -> None:
    picture = np.arange(10, dtype=np.float32)[None].repeat(3, axis=0)
    np.testing.assert_allclose(cells_of(picture, 4), [[1.5, 5.5, (8 + 9 * 3) / 4]])


@given(
    rows=st.integers(1, 9), columns=st.integers(1, 9), cell=st.integers(1, 8), top=st.floats(0, 1), left=st.floats(0, 1)
)
def test_any_part_is_enlarged_as_the_whole_is(rows: int, columns: int, cell: int, top: float, left: float) -> None:
    cells = np.random.default_rng(rows * 100 + columns).random((rows, columns), dtype=np.float32)
    size = (rows * cell, columns * cell)
    start = [int(share * (side - 1)) for share, side in zip((top, left), size, strict=True)]
    region = (slice(start[0], size[0]), slice(start[1], min(start[1] + 7, size[1])))
    # The oracle: bilinear interpolation between the centres of cells, constant extrapolation.
    places = [(np.arange(side) + 0.5) / cell - 0.5 for side in size]
    whole = map_coordinates(cells.astype(float), np.meshgrid(*places, indexing="ij"), order=1, mode="nearest")
    np.testing.assert_allclose(enlarged(cells, cell, region), whole[region], atol=1e-5)
