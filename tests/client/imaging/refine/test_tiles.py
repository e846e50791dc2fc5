from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuft.imaging.refine.tiles import for_each, tiles


@given(
    height=st.integers(1, 100), width=st.integers(1, 100), side=st.sampled_from([8, 32, 64]), halo=st.integers(0, 20)
)
def test_tiles_cover_every_pixel_once_with_the_halo_the_picture_has(
    height: int, width: int, side: int, halo: int
) -> None:
    picture = np.arange(height * width).reshape(height, width)
    seen = np.zeros((height, width), int)
    for tile in tiles((height, width), side, halo):
        seen[tile.inner] += 1
        np.testing.assert_array_equal(picture[tile.outer][tile.within], picture[tile.inner])
        for inner, outer, length in zip(tile.inner, tile.outer, (height, width), strict=True):
            assert inner.start - outer.start == min(halo, inner.start)
            assert outer.stop - inner.stop == min(halo, length - inner.stop)
    assert (seen == 1).all()


def test_work_is_done_on_every_tile() -> None:
    done = np.zeros((50, 70), int)

    def work(tile: object) -> None:
        done[tile.inner] += 1  # type: ignore[attr-defined]

    for_each(work, tiles((50, 70), 16))
    assert (done == 1).all()


def test_an_error_in_one_tile_is_raised() -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        for_each(fail, tiles((50, 70), 16))
