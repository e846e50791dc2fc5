"""Clips are reproducible, move, are cut where they say, and are composites by their alpha."""

from __future__ import annotations

import itertools

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
