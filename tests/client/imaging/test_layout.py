"""Where the subject lies: boxes, windows, placing and resizing, against formulas of their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from tuft.errors import NoSubjectError
from tuft.imaging import Box, layout, parse_margin, parse_region

SIDES = st.integers(1, 24)


def disk(size_hw: tuple[int, int], centre_yx: tuple[float, float], radius: float) -> np.ndarray:
    """A cut-out of one colour: a disk with a soft edge."""
    rows, columns = np.indices(size_hw)
    distance = np.hypot(rows - centre_yx[0], columns - centre_yx[1])
    alpha = np.rint(255 * np.clip(radius - distance + 0.5, 0, 1)).astype(np.uint8)
    return np.dstack([np.where(alpha > 0, np.uint8(level), np.uint8(0)) for level in (200, 120, 40)] + [alpha])


# --- the bounding box


@given(st.data())
def test_the_box_is_what_pillow_finds(data: st.DataObject) -> None:
    alpha = data.draw(
        arrays(np.uint8, (data.draw(SIDES), data.draw(SIDES)), elements=st.sampled_from([0, 12, 13, 255]))
    )
    found = Image.fromarray(np.where(alpha >= 13, np.uint8(255), np.uint8(0))).getbbox() or (0, 0, 0, 0)
    left, top, right, bottom = found
    assert layout.foreground_box(alpha) == Box(left, top, right - left, bottom - top)


def test_what_is_invisible_does_not_make_the_box_larger() -> None:
    alpha = np.zeros((90, 80), np.uint8)
    alpha[20:30, 40:60] = 255
    alpha[0, 0] = alpha[89, 79] = 12  # 4.7 %
    assert layout.foreground_box(alpha) == Box(40, 20, 20, 10)


# --- windows


@given(st.data())
def test_a_window_shows_each_pixel_where_it_was(data: st.DataObject) -> None:
    height, width = data.draw(SIDES), data.draw(SIDES)
    pixels = data.draw(arrays(np.uint8, (height, width, 3)))
    size_wh = data.draw(SIDES), data.draw(SIDES)
    left, top = (data.draw(st.integers(1 - own, side - 1)) for own, side in zip(size_wh, (width, height), strict=True))
    box = Box(left, top, *size_wh)  # overlaps with the picture
    framed, extended = layout.window(pixels, box), layout.window(pixels, box, extend=True)
    for y, x in np.ndindex(box.height, box.width):
        row, column = y + box.top, x + box.left
        inside = 0 <= row < height and 0 <= column < width
        assert (framed[y, x] == (pixels[row, column] if inside else 0)).all()
        nearest = pixels[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
        assert (extended[y, x] == nearest).all()
    assert not np.shares_memory(framed, pixels)
    assert not np.shares_memory(extended, pixels)


@given(st.data())
def test_alpha_never_grows_outside_a_region(data: st.DataObject) -> None:
    rgba = data.draw(arrays(np.uint8, (data.draw(SIDES), data.draw(SIDES), 4)))
    box = parse_region("20% 10% 70% 90%").box(rgba.shape[:2])
    kept = layout.only_within(rgba, box)
    np.testing.assert_array_equal(kept[box.slices], rgba[box.slices])
    assert kept.any(axis=2).sum() == rgba[box.slices].any(axis=2).sum()


# --- resizing


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_a_whole_factor_averages_blocks_by_their_alpha(rng: np.random.Generator, factor: int) -> None:
    rgba = rng.integers(0, 256, (factor * 7, factor * 9, 4)).astype(np.uint8)
    rgba[: 2 * factor, :factor] = (255, 255, 255, 0)  # a block without a subject: its colour must not matter
    blocks = rgba.reshape(7, factor, 9, factor, 4).astype(float)
    alpha = blocks[..., 3].mean((1, 3))
    with np.errstate(invalid="ignore"):
        colour = (blocks[..., :3] * blocks[..., 3:]).sum((1, 3)) / blocks[..., 3:].sum((1, 3))
    small = layout.resized(rgba, (7, 9))
    np.testing.assert_allclose(small[..., 3], alpha, atol=1)
    seen = alpha >= 1
    np.testing.assert_allclose(small[..., :3][seen], colour[seen], atol=1)
    assert not small[:2, 0].any()


def test_transparent_pixels_do_not_darken_an_edge() -> None:
    rgba = disk((60, 60), (30, 30), 20)
    for size_hw in ((17, 23), (120, 90), (31, 200)):
        scaled = layout.resized(rgba, size_hw)
        seen = scaled[..., 3] >= 8
        assert np.abs(scaled[..., :3][seen].astype(int) - (200, 120, 40)).max() <= 1
        assert not scaled[scaled[..., 3] == 0].any()


@given(st.data())
def test_alpha_keeps_its_range_and_mean(data: st.DataObject) -> None:
    alpha = data.draw(arrays(np.uint8, (data.draw(SIDES), data.draw(SIDES))))
    rgba = np.dstack([alpha] * 4)
    scaled = layout.resized(rgba, (data.draw(SIDES), data.draw(SIDES)))[..., 3]
    assert alpha.min() <= scaled.min() <= scaled.max() <= alpha.max()


def test_the_same_size_is_the_same_picture(rng: np.random.Generator) -> None:
    rgba = rng.integers(0, 256, (7, 9, 4)).astype(np.uint8)
    np.testing.assert_array_equal(layout.resized(rgba, (7, 9)), rgba)


# --- placing


@given(st.data())
def test_a_placed_box_has_its_share_and_its_position(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 4000)), data.draw(st.integers(1, 4000))
    box = Box(0, 0, data.draw(st.integers(1, width)), data.draw(st.integers(1, height)))
    scale = data.draw(st.floats(0.1, 1))
    across, down = data.draw(st.tuples(st.floats(0, 1), st.floats(0, 1)))
    placed = layout.placed_box(box, (height, width), scale, (across, down))
    fills = max(placed.width / width, placed.height / height)
    assert abs(fills - scale) <= 0.5 / min(width, height) + 1e-9 or 1 in (placed.width, placed.height)
    assert abs(placed.width * box.height - placed.height * box.width) <= box.width + box.height or 1 in placed[2:]
    assert abs(placed.left - across * (width - placed.width)) <= 0.5
    assert abs(placed.top - down * (height - placed.height)) <= 0.5
    assert 0 <= placed.left < placed.left + placed.width <= width
    assert 0 <= placed.top < placed.top + placed.height <= height


def test_without_scale_and_position_nothing_moves() -> None:
    box = Box(3, 5, 20, 10)
    assert layout.placed_box(box, (50, 60), None, None) == box
    assert layout.placed_box(box, (50, 60), 0.5, None) == Box(15, 18, 30, 15)  # scaled: centred


def test_an_empty_cutout_has_nowhere_to_be() -> None:
    for place in (
        lambda: layout.cropped_frame(Box(0, 0, 0, 0), parse_margin(0)),
        lambda: layout.placed_box(Box(0, 0, 0, 0), (9, 9), 0.5, None),
    ):
        with pytest.raises(NoSubjectError, match="empty"):
            place()


@given(st.data())
def test_moving_without_scaling_is_exact(data: st.DataObject) -> None:
    height, width = data.draw(SIDES), data.draw(SIDES)
    rgba = data.draw(arrays(np.uint8, (height, width, 4)))
    source = Box(data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1)), 1, 1)
    frame_hw = (data.draw(SIDES), data.draw(SIDES))
    target = Box(data.draw(st.integers(0, frame_hw[1] - 1)), data.draw(st.integers(0, frame_hw[0] - 1)), 1, 1)
    moved = layout.placed(rgba, source, target, frame_hw)
    shift = Box(source.left - target.left, source.top - target.top, frame_hw[1], frame_hw[0])
    np.testing.assert_array_equal(moved, layout.window(rgba, shift))


@pytest.mark.parametrize("scale", [0.1, 0.35, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("position", [(0, 0), (1, 1), (0.5, 0.5), (0.2, 0.9)])
def test_a_disk_comes_to_lie_where_it_is_put(scale: float, position: tuple[float, float]) -> None:
    size_hw = (200, 300)
    rgba = disk(size_hw, (80, 190), 45)
    source = layout.foreground_box(rgba[..., 3])
    target = layout.placed_box(source, size_hw, scale, position)
    placed = layout.placed(rgba, source, target, size_hw)
    factor = target.width / source.width
    spread = 1 + max(1, factor)  # an enlarged soft edge is as much wider
    for found, wanted in zip(layout.foreground_box(placed[..., 3]), target, strict=True):
        assert abs(found - wanted) <= spread
    area = rgba[..., 3].sum(dtype=float) * factor**2
    assert placed[..., 3].sum(dtype=float) == pytest.approx(area, rel=0.04)
    seen = placed[..., 3] > 8
    assert np.abs(placed[..., :3][seen].astype(int) - (200, 120, 40)).max() <= 1


def test_a_small_subject_of_a_large_photograph_can_fill_the_frame() -> None:
    rgba = disk((1500, 2000), (700, 900), 12)
    source = layout.foreground_box(rgba[..., 3])
    target = layout.placed_box(source, (1500, 2000), 1.0, None)
    placed = layout.placed(rgba, source, target, (1500, 2000))
    assert layout.foreground_box(placed[..., 3]).height >= 1490
    assert placed.shape == (1500, 2000, 4)


def test_the_photograph_moves_with_its_subject_and_fills_the_frame(rng: np.random.Generator) -> None:
    photo = np.full((90, 120, 3), (10, 20, 30), np.uint8)
    source, target = Box(50, 40, 20, 10), Box(0, 0, 40, 20)
    photo[source.slices] = (200, 100, 50)
    moved = layout.placed(photo, source, target, (90, 120), extend=True)
    assert (moved[2:18, 2:38] == (200, 100, 50)).all()
    assert (moved[22:, :] == (10, 20, 30)).all()
