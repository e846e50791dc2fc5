from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from tuft.imaging.refine import blocks as module
from tuft.imaging.refine.blocks import Blocks, Enlarged, block_side
from tuft.imaging.refine.grid import grid_hw

SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))
CELLS = st.sampled_from([1, 2, 3, 8, 16, 40])


def everywhere(size_hw: tuple[int, int], side: int) -> Blocks:
    return Blocks.touching(np.ones(size_hw, np.bool_), 1, side, size_hw)


@given(SIZES, st.integers(1, 40), st.sampled_from([(), (3,)]), st.booleans())
def test_what_is_gathered_and_put_back_is_the_picture(
    size_hw: tuple[int, int], side: int, channels: tuple[int, ...], cropped: bool
) -> None:
    rng = np.random.default_rng(side)
    picture = rng.integers(0, 256, (size_hw[0], size_hw[1] + 5, *channels)).astype(np.uint8)
    picture = picture[:, 5:] if cropped else np.ascontiguousarray(picture[:, 5:])
    copied = np.zeros_like(picture)
    for batch in everywhere(size_hw, side).batches():
        gathered = batch.of(picture)
        assert gathered.shape == (len(batch), side, side, *channels)
        batch.put(copied, gathered)
    np.testing.assert_array_equal(copied, picture)


@given(SIZES, CELLS, st.integers(0, 2**32))
def test_blocks_are_those_that_marked_cells_touch(size_hw: tuple[int, int], cell: int, seed: int) -> None:
    marked = np.random.default_rng(seed).random(grid_hw(size_hw, cell)) < 0.1
    side = block_side(cell)
    pixels = marked.repeat(cell, axis=0).repeat(cell, axis=1)[: size_hw[0], : size_hw[1]]
    expected = {(row // side, column // side) for row, column in np.argwhere(pixels)}
    found = Blocks.touching(marked, cell, side, size_hw)
    assert set(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) == expected
    batches = list(found.batches())
    assert sum(map(len, batches)) == len(found) == len(expected)
    assert all(len(batch) * side**2 <= max(module._AT_ONCE, side**2) for batch in batches)


@given(SIZES, CELLS)
def test_cells_are_interpolated_between_their_centres(size_hw: tuple[int, int], cell: int) -> None:
    cells = np.random.default_rng(cell).random((2, *grid_hw(size_hw, cell)), dtype=np.float32)
    places = np.meshgrid(*((np.arange(length) + 0.5) / cell - 0.5 for length in size_hw), indexing="ij")
    side = block_side(cell)
    enlarged, found = Enlarged(list(cells), cell, side), np.zeros((2, *size_hw), np.float32)
    for batch in everywhere(size_hw, side).batches():
        for plane, values in zip(found, enlarged.at(batch), strict=True):
            batch.put(plane, values.reshape(-1, side, side))
    for plane, of_cells in zip(found, cells, strict=True):
        np.testing.assert_allclose(
            plane, map_coordinates(of_cells.astype(float), places, order=1, mode="nearest"), atol=1e-5
        )


@given(SIZES, st.integers(0, 100), st.integers(0, 2**32))
def test_a_part_of_the_picture_has_the_same_blocks(size_hw: tuple[int, int], margin: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, size_hw).astype(np.uint8)
    marked = rng.random(size_hw) < 0.01
    marked[rng.integers(size_hw[0]), rng.integers(size_hw[1])] = True
    blocks = Blocks.touching(marked, 1, 8, size_hw)
    near, part = blocks.cropped(margin)
    np.testing.assert_array_equal(near.of(picture[part]), blocks.of(picture))
    for span, length, where in zip(part, size_hw, np.nonzero(marked), strict=True):
        assert span.start <= max(0, where.min() - margin)
        assert span.stop >= min(length, where.max() + 1 + margin)
