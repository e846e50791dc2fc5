from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tuft.imaging.matte import Matte
from tuft.operations.cache.packing import pack, unpack

SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 9))


@given(data=st.data(), size_hw=SHAPES)
def test_what_is_packed_comes_back_bit_for_bit(data: st.DataObject, size_hw: tuple[int, int]) -> None:
    photo = data.draw(hnp.arrays(np.uint8, (*size_hw, 3)))
    alpha = data.draw(hnp.arrays(np.uint8, size_hw))
    foreground = np.where(data.draw(hnp.arrays(np.bool_, (*size_hw, 3))), photo, np.uint8(7))
    result = unpack(pack(Matte(alpha, foreground), photo), photo)
    np.testing.assert_array_equal(result.alpha, alpha)
    np.testing.assert_array_equal(result.foreground, foreground)
    assert result.alpha.flags.writeable


def test_the_photograph_itself_is_not_kept(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (300, 400, 3), np.uint8)
    alpha = np.zeros((300, 400), np.uint8)
    alpha[100:200, 100:200] = 255
    packed = pack(Matte(alpha, photo), photo)
    assert len(packed) < photo.size / 100
    assert unpack(packed, photo).foreground is photo


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_changed_bit_is_found(position: int, bit: int) -> None:
    photo = np.zeros((20, 30, 3), np.uint8)
    packed = bytearray(pack(Matte(photo[..., 0] + 9, photo + 1), photo))
    packed[position % len(packed)] ^= 1 << bit
    with pytest.raises(ValueError, match="changed"):
        unpack(bytes(packed), photo)


@given(data=st.binary(max_size=80), kept=st.integers(0, 200))
def test_other_bytes_are_refused(data: bytes, kept: int) -> None:
    photo = np.zeros((20, 30, 3), np.uint8)
    packed = pack(Matte(photo[..., 0], photo), photo)
    for wrong in (data, packed[: min(kept, len(packed) - 1)]):
        with pytest.raises(ValueError, match="changed"):
            unpack(wrong, photo)
