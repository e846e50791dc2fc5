"""Lengths as they are written: margins, regions, scales and positions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuft.errors import ImageError, OptionError
from tuft.imaging import Box, layout, parse_margin, parse_position, parse_region, parse_scale

SIDES = st.integers(1, 24)


@pytest.mark.parametrize(
    ("written", "sides"),
    [
        (0, (0, 0, 0, 0)),
        (30, (30, 30, 30, 30)),
        ("30px", (30, 30, 30, 30)),
        ("10%", (20, 10, 20, 10)),
        ("10% 5px", (20, 5, 20, 5)),
        ("1 2 3 4", (1, 2, 3, 4)),
        ([1, "2px", "50%", 4.4], (1, 2, 100, 4)),
        ("500px 50%", (500, 50, 500, 50)),
    ],
    ids=repr,
)
def test_margins_are_top_right_bottom_left(written: Any, sides: tuple[int, int, int, int]) -> None:
    top, right, bottom, left = sides
    box = Box(7, 9, 100, 200)
    frame = layout.cropped_frame(box, parse_margin(written))
    assert frame == Box(7 - left, 9 - top, 100 + left + right, 200 + top + bottom)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "50.1%",
        "501",
        "501px",
        "-1",
        "1 2 3",
        "1 2 3 4 5",
        "1em",
        "ten",
        "1,2",
        "nan",
        "1e3",
        "%",
        None,
        True,
        [None],
    ],
    ids=repr,
)
def test_other_margins_are_option_errors(written: Any) -> None:
    with pytest.raises(OptionError, match="margin"):
        parse_margin(written)


def test_a_message_quotes_at_most_a_few_characters() -> None:
    for parse in (parse_margin, parse_region, parse_scale, parse_position):
        with pytest.raises(OptionError) as caught:
            parse("9" * 1_000_000)
        assert len(str(caught.value)) < 250


def test_regions_in_pixels_and_percent() -> None:
    size_hw = (100, 200)
    assert parse_region("0% 0% 100% 100%").box(size_hw) == Box(0, 0, 200, 100)
    assert parse_region("0 0 100% 100%").box(size_hw) == Box(0, 0, 200, 100)  # as rembgpy writes it
    assert parse_region("10px 20px 110px 90px").box(size_hw) == Box(10, 20, 100, 70)
    assert parse_region((10, "20%", 110.5, "90%")).box(size_hw) == Box(10, 20, 101, 70)
    assert parse_region("33.3% 0 33.4% 1").box((3, 7)) == Box(2, 0, 1, 1)  # less than a pixel: the one it touches


@pytest.mark.parametrize(
    "written",
    ["", "0 0 1", "0 0 1 1 1", "a b c d", "-1 0 9 9", None, 5, "0,0,1,1", "9 0 9 9", "0 9px 5 8", "60% 0 50% 9"],
    ids=repr,
)
def test_what_is_no_region(written: Any) -> None:
    with pytest.raises(OptionError, match="x1 y1 x2 y2"):
        parse_region(written)


@pytest.mark.parametrize(
    ("written", "said"),
    [("0 0 201 9", "beyond"), ("0 0 9 101%", "beyond"), ("50% 0 9 9", "no pixel"), ("0 60 9 60%", "no pixel")],
)
def test_regions_that_do_not_fit_are_a_matter_of_the_photograph(written: str, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        parse_region(written).box((100, 200))


@given(st.data())
def test_regions_lie_in_the_picture_and_contain_what_they_touch(data: st.DataObject) -> None:
    height, width = data.draw(SIDES), data.draw(SIDES)
    x1, x2 = sorted(data.draw(st.tuples(*[st.integers(0, 1000)] * 2).filter(lambda pair: pair[0] != pair[1])))
    box = parse_region(f"{x1 / 10}% 0% {x2 / 10}% 100%").box((height, width))
    touched = [c for c in range(width) if c < x2 * width / 1000 and c + 1 > x1 * width / 1000]
    inner = [c for c in touched if min(c + 1, x2 * width / 1000) - max(c, x1 * width / 1000) > 1e-9]
    assert 0 <= box.left < box.left + box.width <= width
    assert set(inner) <= set(range(box.left, box.left + box.width)) <= set(touched) | {box.left}


def test_scales() -> None:
    assert [parse_scale(scale) for scale in ("original", "10%", " 100% ", "33.3%", 0.5, 1)] == [
        *[None, 0.1, 1.0, pytest.approx(0.333), 0.5, 1]
    ]
    for scale in ("9.9%", "101%", "50", "big", "", 0.09, 1.1, 50, True, float("nan"), None, "-50%"):
        with pytest.raises(OptionError, match="scale"):
            parse_scale(scale)  # type: ignore[arg-type]


def test_positions() -> None:
    written = ["original", "center", "10%", "0% 100%", "25 75", 0, [0, "50%"]]
    shares = [None, (0.5, 0.5), (0.1, 0.1), (0, 1), (0.25, 0.75), (0, 0), (0, 0.5)]
    assert [parse_position(position) for position in written] == shares  # type: ignore[arg-type]
    for position in ("101%", "1 2 3", "5px", "left", "", -1, None, True):
        with pytest.raises(OptionError, match="position"):
            parse_position(position)  # type: ignore[arg-type]
