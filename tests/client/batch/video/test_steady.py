"""Steadying: noise is averaged out, motion leaves no trail, cuts start anew."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from scipy import ndimage

from tuft.batch.video.keyframes import KEY_EVERY, is_key, tracked
from tuft.batch.video.motion import Motion
from tuft.batch.video.reading import Frame
from tuft.batch.video.steady import Matted, Past, steadied

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZE_HW = (96, 128)


def texture(seed: int, size_hw: tuple[int, int] = SIZE_HW) -> NDArray[np.uint8]:
    """A smooth random pattern, which optical flow can follow."""
    noise = np.random.default_rng(seed).normal(0, 1, (*size_hw, 3))
    smooth = ndimage.gaussian_filter(noise, (3, 3, 0), mode="wrap")
    return np.clip(128 + smooth * 45 / smooth.std(), 0, 255).astype(np.uint8)


def disk(centre_xy: tuple[float, float], radius: float = 20) -> NDArray[np.float32]:
    rows, columns = np.indices(SIZE_HW, dtype=np.float32)
    distance = np.hypot(columns - centre_xy[0], rows - centre_xy[1])
    return np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)


def scene(alpha: NDArray[np.float32], shift: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
    subject = np.roll(texture(1) // 2 + 120, shift, (1, 0))
    mixed = alpha[..., None] * subject + (1 - alpha[..., None]) * (texture(2) // 2)
    return np.rint(mixed).astype(np.uint8)


def run(
    photos: list[NDArray[np.uint8]], alphas: list[NDArray[np.float32]], past: Past | None = None
) -> list[NDArray[np.float32]]:
    before = None if past is None else past.photo
    frames = []
    for index, (photo, alpha) in enumerate(zip(photos, alphas, strict=True)):
        motion = None if before is None else Motion(before, photo)
        frames.append(Matted(Frame(index, index, 1, photo), photo, alpha, None, motion))
        before = photo
    return [steady for _, steady in steadied(iter(frames), past)]


def flicker(alphas: list[NDArray[np.float32]]) -> float:
    return float(np.mean([np.sqrt(np.mean((one - other) ** 2)) for one, other in itertools.pairwise(alphas)]))


def test_noise_of_a_still_picture_is_averaged_out(rng: np.random.Generator) -> None:
    truth = disk((64, 48))
    noisy = [np.clip(truth + rng.normal(0, 0.1, SIZE_HW), 0, 1).astype(np.float32) for _ in range(8)]
    steady = run([scene(truth)] * 8, noisy)
    assert flicker(steady) < 0.5 * flicker(noisy)
    error = [float(np.abs(alpha - truth).mean()) for alpha in (noisy[-2], steady[-2])]
    assert error[1] < error[0]


def test_a_moving_subject_leaves_no_trail() -> None:
    centres = [(24 + 5 * index, 48) for index in range(14)]
    truths = [disk(centre) for centre in centres]
    photos = [scene(truth, (5 * index, 0)) for index, truth in enumerate(truths)]
    for truth, steady in zip(truths, run(photos, truths), strict=True):
        behind = cv2.dilate(truth, np.ones((7, 7))) == 0
        assert steady[behind].max() < 0.02
        assert np.abs(steady - truth).mean() < 0.01


def test_a_subject_that_disappears_is_gone_at_once() -> None:
    truth, nothing = disk((64, 48)), np.zeros(SIZE_HW, np.float32)
    alphas = [truth, truth, truth, nothing, nothing]
    steady = run([scene(alpha) for alpha in alphas], alphas)
    assert steady[2].max() > 0.9
    assert max(steady[3].max(), steady[4].max()) < 0.02


def test_nothing_passes_a_cut() -> None:
    left, right = disk((40, 48)), disk((90, 48))
    photos = [scene(left)] * 3 + [255 - scene(right)[::-1]] * 3
    assert not Motion(photos[0], photos[1]).is_cut
    assert Motion(photos[2], photos[3]).is_cut
    steady = run(photos, [left] * 3 + [right] * 3)
    assert all(np.array_equal(each, left) for each in steady[:3])
    assert all(np.array_equal(each, right) for each in steady[3:])


def test_the_past_of_an_earlier_run_makes_no_difference(rng: np.random.Generator) -> None:
    truth = disk((64, 48))
    noisy = [np.clip(truth + rng.normal(0, 0.1, SIZE_HW), 0, 1).astype(np.float32) for _ in range(6)]
    photos = [scene(truth)] * 6
    whole = run(photos, noisy)
    past = Past(photos[2], noisy[2], whole[2])
    assert all(
        np.array_equal(one, other) for one, other in zip(run(photos[3:], noisy[3:], past), whole[3:], strict=True)
    )


@pytest.mark.parametrize("size_hw", [(1, 1), (9, 200), (15, 15)])
def test_tiny_frames_have_no_motion(size_hw: tuple[int, int]) -> None:
    photo = texture(1, size_hw)
    motion = Motion(photo, photo)
    assert not motion.is_cut
    alpha = np.full(size_hw, 0.5, np.float32)
    assert np.array_equal(motion.from_before(alpha), alpha)


def test_keyframes_come_at_fixed_distances_and_where_the_picture_changes() -> None:
    truth = disk((64, 48))
    photo = scene(truth)
    still = Motion(photo, photo)
    assert [is_key(index, still) for index in range(1, KEY_EVERY + 1)] == [False] * (KEY_EVERY - 1) + [True]
    assert is_key(1, None)
    assert is_key(1, Motion(photo, 255 - photo))
    entering = photo.copy()
    entering[60:90, 90:120] = 255
    assert is_key(1, Motion(photo, entering))


@pytest.mark.parametrize("refinement", ["none", "edges"])
def test_alpha_is_carried_with_the_motion(refinement: str) -> None:
    truths = [disk((50 + 2 * index, 48)) for index in range(2)]
    photos = [scene(truth, (2 * index, 0)) for index, truth in enumerate(truths)]
    carried = tracked(truths[0], Motion(*photos), 384, refinement)
    assert np.abs(carried - truths[1]).mean() < 0.3 * np.abs(truths[0] - truths[1]).mean()
