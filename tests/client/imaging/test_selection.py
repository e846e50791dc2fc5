"""What is kept of a network's alpha: never another subject, never less than the edge that it draws."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.two_disks import TwoDisks

from tuft.imaging.selection import Selection, kept_inside, selected_by_box, selected_by_mask


def over_the_frame(alpha: np.ndarray, selection: Selection, size_hw: tuple[int, int]) -> np.ndarray:
    frame = np.zeros(size_hw, np.float32)
    frame[selection.part.slices] = alpha
    return frame


def grid_of(alpha: np.ndarray, side: int = 256) -> np.ndarray:
    return cv2.resize(alpha, (side, side), interpolation=cv2.INTER_AREA) - 0.5


@pytest.mark.parametrize("gap_px", [40, 3, 0])
@pytest.mark.parametrize("side", [256, 64])
def test_a_subject_that_touches_another_is_parted_from_it(gap_px: int, side: int) -> None:
    disks = TwoDisks(gap_px)
    both = np.maximum(disks.left_alpha, disks.right_alpha)
    size_hw = both.shape
    selection = selected_by_mask(grid_of(disks.left_alpha, side), size_hw)
    assert selection is not None
    kept = kept_inside(both[selection.part.slices], selection)
    alpha = over_the_frame(kept.alpha, selection, size_hw)
    other = disks.right_alpha - np.minimum(disks.right_alpha, disks.left_alpha)
    assert (alpha * other).sum() < 0.004 * other.sum()
    union = np.count_nonzero((alpha > 0.5) | (disks.left_alpha > 0.5))
    assert np.count_nonzero((alpha > 0.5) & (disks.left_alpha > 0.5)) / union > 0.98
    # Away from the other disk the network's own soft edge is kept to the last pixel.
    np.testing.assert_array_equal(alpha[:, : disks.left_xy[0]], disks.left_alpha[:, : disks.left_xy[0]])


def test_hairs_beyond_the_mask_are_kept(rng: np.random.Generator) -> None:
    disks = TwoDisks()
    hairy = disks.left_alpha.copy()
    for angle in np.linspace(0, 2 * np.pi, 40, endpoint=False):
        tip = np.array(disks.left_xy) + 66 * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(hairy, disks.left_xy, tip.astype(int).tolist(), 0.8, 1, cv2.LINE_AA)
    hairy = np.maximum(hairy, disks.left_alpha)
    selection = selected_by_mask(grid_of(disks.left_alpha), hairy.shape)
    assert selection is not None
    kept = over_the_frame(kept_inside(hairy[selection.part.slices], selection).alpha, selection, hairy.shape)
    beyond = (hairy > 0.3) & (disks.left_alpha == 0)
    assert beyond.sum() > 50
    np.testing.assert_array_equal(kept[beyond], hairy[beyond])


def test_holes_and_translucency_inside_the_mask_are_the_networks() -> None:
    disks = TwoDisks()
    network = disks.left_alpha.copy()
    network[100:120, 80:100] = 0
    network[80:90, 80:100] = 0.4
    selection = selected_by_mask(grid_of(disks.left_alpha), network.shape)
    assert selection is not None
    kept = over_the_frame(kept_inside(network[selection.part.slices], selection).alpha, selection, network.shape)
    np.testing.assert_array_equal(kept[70:130, 70:110], network[70:130, 70:110])


def test_of_a_box_what_reaches_far_beyond_it_is_removed() -> None:
    disks = TwoDisks()
    both = np.maximum(disks.left_alpha, disks.right_alpha)
    selection = selected_by_box((30, 50, 150, 170), both.shape)
    kept = kept_inside(both[selection.part.slices], selection)
    alpha = over_the_frame(kept.alpha, selection, both.shape)
    np.testing.assert_array_equal(alpha, disks.left_alpha)
    assert kept.agreement > 0.95
    drawn_too_large = selected_by_box((0, 0, 160, 200), both.shape)
    assert kept_inside(disks.left_alpha[drawn_too_large.part.slices], drawn_too_large).agreement < 0.6


def test_nothing_selected_is_no_selection() -> None:
    assert selected_by_mask(np.full((256, 256), -1.0), (100, 80)) is None


shares = st.floats(0, 1, width=32)


@given(
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    grid=st.integers(1, 64),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_mask_of_every_picture_gives_an_alpha_within_its_reach(
    height: int, width: int, grid: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(grid, grid)).astype(np.float32)
    selection = selected_by_mask(logits, (height, width))
    if selection is None:
        assert not (logits > 0).any()
        return
    part = selection.part
    assert part.left >= 0
    assert part.top >= 0
    assert part.left + part.width <= width
    assert part.top + part.height <= height
    assert selection.inside.shape == (part.height, part.width)
    alpha = rng.random((part.height, part.width), dtype=np.float32)
    kept = kept_inside(alpha, selection)
    assert 0 <= kept.agreement <= 1
    assert kept.alpha.min() >= 0
    assert kept.alpha.max() <= 1
    if kept.agreement >= 0.5:
        assert (kept.alpha <= alpha + 1e-6).all()


@given(x=st.tuples(shares, shares), y=st.tuples(shares, shares), height=st.integers(1, 200), width=st.integers(1, 200))
def test_every_box_in_a_picture_holds_its_pixels(
    x: tuple[float, float], y: tuple[float, float], height: int, width: int
) -> None:
    (x1, x2), (y1, y2) = ((min(pair) * side, max(pair) * side) for pair, side in ((x, width), (y, height)))
    if x1 >= x2 or y1 >= y2:
        return
    selection = selected_by_box((x1, y1, x2, y2), (height, width))
    inside = over_the_frame(selection.inside.astype(np.float32), selection, (height, width)) > 0
    rows, columns = np.arange(height)[:, None] + 0.5, np.arange(width)[None] + 0.5
    middles = (rows > y1) & (rows < y2) & (columns > x1) & (columns < x2)
    assert inside[middles].all()
