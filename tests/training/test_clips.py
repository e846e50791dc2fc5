"""Clips are reproducible, move, are cut where they say, and are composites by their alpha."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from tuft_training.clips import STILL_CAMERA, ClipFrame, Motion, clip

SIZE_HW = (48, 64)
NOISE = 6.0


def made(seed: int = 3, frames: int = 6, **how: object) -> list[ClipFrame]:
    return list(clip(seed, SIZE_HW, frames, **how))  # type: ignore[arg-type]


def test_a_seed_makes_one_clip() -> None:
    for one, other in zip(made(), made(), strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.alpha, other.alpha)
    assert not np.array_equal(made()[0].image, made(seed=4)[0].image)


def test_frames_are_pictures_with_alpha_that_moves() -> None:
    frames = made(motion=Motion(period=12))
    for frame in frames:
        assert (frame.image.shape, frame.image.dtype) == ((*SIZE_HW, 3), np.uint8)
        assert (frame.alpha.shape, frame.alpha.dtype) == (SIZE_HW, np.float32)
        assert 0 <= frame.alpha.min() < frame.alpha.max() <= 1
    changes = [np.abs(one.alpha - other.alpha).mean() for one, other in itertools.pairwise(frames)]
    assert min(changes) > 0


def test_shots_are_cuts() -> None:
    frames = made(frames=6, shots=3, motion=STILL_CAMERA)
    assert [frame.shot for frame in frames] == [0, 0, 1, 1, 2, 2]
    changes = [np.abs(one.image.astype(int) - other.image).mean() for one, other in itertools.pairwise(frames)]
    assert min(changes[1], changes[3]) > 1.5 * max(changes[0], changes[2], changes[4])


def test_a_still_clip_shows_its_background_where_alpha_is_zero() -> None:
    nothing = Motion(subject=0.08, turn=0, sway=0, camera=0, period=8)
    frames = made(frames=8, motion=nothing)
    images = np.stack([frame.image for frame in frames]).astype(np.float64)
    clear = np.all([frame.alpha == 0 for frame in frames], axis=0)
    assert clear.any()
    assert images[:, clear].std(axis=0).mean() < 1.2 * NOISE  # the sensor's noise, and nothing of the subject


def test_the_exact_motion_leads_to_the_same_point() -> None:
    here, there = made(frames=2, motion=Motion(subject=0.2, turn=0.2, sway=0.02, camera=0.2, period=12))
    way = here.way_to(there)
    rows, columns = np.indices(SIZE_HW, dtype=np.float32)
    columns, rows = columns + way[..., 0], rows + way[..., 1]
    inside = (columns >= 0) & (columns <= SIZE_HW[1] - 1) & (rows >= 0) & (rows <= SIZE_HW[0] - 1)
    for places, area in zip((0, 1), (here.alpha > 0.5, cv2.dilate(here.alpha, np.ones((9, 9))) == 0), strict=True):
        found = cv2.remap(there.places[places], columns, rows, cv2.INTER_LINEAR)
        assert (area & inside).any()
        assert np.abs(found - here.places[places])[area & inside].max() < 0.05
    moved = cv2.remap(there.alpha, columns, rows, cv2.INTER_LINEAR)
    assert np.abs(moved - here.alpha)[inside].mean() < 0.3 * np.abs(there.alpha - here.alpha)[inside].mean()
