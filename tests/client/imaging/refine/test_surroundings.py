from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from tuft.imaging.refine.blocks import Blocks
from tuft.imaging.refine.surroundings import Surroundings, box_means

SIZES = st.tuples(st.integers(1, 70), st.integers(1, 70))


@given(SIZES, st.integers(1, 20), st.integers(0, 12), st.sampled_from(["reflect", "symmetric"]))
def test_blocks_have_their_surroundings_mirrored_at_the_picture(
    size_hw: tuple[int, int], side: int, margin: int, mode: str
) -> None:
    planes = np.random.default_rng(side).random((2, *size_hw), dtype=np.float32)
    padded = np.pad(planes, [(0, 0), *[(margin, margin + side)] * 2], mode=mode)  # type: ignore[call-overload]
    around = Surroundings(list(planes), side, margin, mode)  # type: ignore[arg-type]
    for batch in Blocks.touching(np.ones(size_hw, np.bool_), 1, side, size_hw).batches(margin):
        gathered = around.of(batch)
        for i, (row, column) in enumerate(zip(batch.rows, batch.columns, strict=True)):
            top, left = row * side, column * side
            window = padded[:, top : top + side + 2 * margin, left : left + side + 2 * margin]
            np.testing.assert_array_equal(gathered[:, i], window)


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 4, 7])
def test_means_are_those_of_a_slow_filter(radius: int, rng: np.random.Generator) -> None:
    planes = rng.random((2, 3, 30, 30), dtype=np.float32)
    means = box_means(planes, radius)
    within = np.s_[..., radius : 30 - radius, radius : 30 - radius]
    slow = uniform_filter(planes.astype(float), (1, 1, 2 * radius + 1, 2 * radius + 1))
    np.testing.assert_allclose(means[within], slow[within], rtol=1e-5)
    assert np.isfinite(means).all()
