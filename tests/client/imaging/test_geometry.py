from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuft.imaging.geometry import geometry_of

SIDES = st.integers(1, 20_000)


@given(height=SIDES, width=SIDES, size=st.sampled_from([64, 384, 1024, 2048]))
def test_a_dynamic_box_fits_keeps_the_aspect_ratio_and_lies_in_the_middle(height: int, width: int, size: int) -> None:
    geometry = geometry_of((height, width), size, "dynamic")
    (top, left), (box_height, box_width) = geometry.offset_yx, geometry.box_hw
    assert max(box_height, box_width) == size
    assert abs(box_height - max(1, size * height / max(height, width))) <= 0.5
    assert abs(box_width - max(1, size * width / max(height, width))) <= 0.5
    assert abs(2 * top + box_height - size) <= 1
    assert abs(2 * left + box_width - size) <= 1
    assert geometry.box == (slice(top, top + box_height), slice(left, left + box_width))


@given(height=SIDES, width=SIDES)
def test_a_static_box_is_the_whole_square(height: int, width: int) -> None:
    geometry = geometry_of((height, width), 1024, "static")
    assert (geometry.box_hw, geometry.offset_yx) == ((1024, 1024), (0, 0))
