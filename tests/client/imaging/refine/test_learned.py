"""The matting stage's tiles: no seams, nothing computed in vain, bounded memory, and its failures."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuft import contract
from tuft.imaging.refine import learned, matted, refine_alpha
from tuft.imaging.refine.estimates import estimates
from tuft.imaging.refine.palette import Palette
from tuft.inference.transport.fake import refined_plane

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LEVEL = 1 / 255


def subject(size_hw: tuple[int, int], radius: float = 0.3) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A mottled disk on a mottled background, and a soft matte of it."""
    height, width = size_hw
    rng = np.random.default_rng(3)
    y, x = np.indices(size_hw, dtype=np.float32)
    distance = np.hypot(y - height / 2, x - width / 2) - radius * min(size_hw)
    alpha = np.clip(0.5 - distance / 12, 0, 1).astype(np.float32)
    mottle = cv2.GaussianBlur(rng.standard_normal((*size_hw, 3)).astype(np.float32), (0, 0), 2) * 60
    mixed = alpha[..., None] * (200, 150, 90) + (1 - alpha[..., None]) * (60, 90, 130) + mottle
    return np.clip(mixed, 0, 255).astype(np.uint8), alpha


def sharpened(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A stage that reads eight pixels around each: less than what tiles leave out at their rim."""
    seen = planes[..., contract.MATTING_PLANES.index("refined")].astype(np.float32)
    guide = planes[..., 1].astype(np.float32)
    changed = [
        a + 0.7 * (a - cv2.blur(a, (17, 17))) + 0.2 * (g - cv2.blur(g, (17, 17)))
        for a, g in zip(seen, guide, strict=True)
    ]
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)[..., None]


@given(st.integers(1, 5000))
def test_the_weights_of_overlapping_tiles_add_up_to_one_at_every_pixel(length: int) -> None:
    ramps = learned._ramps(length)
    total = np.zeros(len(ramps) * 256 + 256, int)
    for index, ramp in enumerate(ramps):
        start = index * learned._STEP
        total[start : start + 256] += ramp
    assert (total[:length] == 16).all()
    assert len(ramps) == 1 or (len(ramps) - 1) * learned._STEP + learned._OVERLAP < length


@pytest.mark.parametrize("size_hw", [(700, 520), (256, 256), (90, 1100), (613, 431)])
def test_tiles_are_the_whole_picture_within_a_level(size_hw: tuple[int, int]) -> None:
    photo, alpha = subject(size_hw)
    tiled = learned._blended(estimates(photo, alpha, 256), everywhere(), sharpened)
    known = estimates(photo, alpha, 256)
    whole = known.planes((slice(0, size_hw[0]), slice(0, size_hw[1])))
    rim = (
        cv2.copyMakeBorder(whole[..., :3], 8, 8, 8, 8, cv2.BORDER_REPLICATE),
        cv2.copyMakeBorder(np.ascontiguousarray(whole[..., 3:6]), 8, 8, 8, 8, cv2.BORDER_REPLICATE),
    )
    padded = np.dstack([*rim, np.zeros((*rim[0].shape[:2], 3), np.uint8)])
    expected = sharpened(padded[None])[0, 8:-8, 8:-8, 0]
    inner = np.s_[8:-8, 8:-8]  # the picture's own rim depends on how a stage pads it
    assert np.abs(tiled - expected / 255)[inner].max() <= LEVEL


class everywhere:  # noqa: N801 (stands for a band)
    """A band that is the whole picture."""

    def weight(self, region: tuple[slice, slice]) -> NDArray[np.float32]:
        return np.ones([span.stop - span.start for span in region], np.float32)


def test_a_stage_that_changes_nothing_leaves_the_classical_edges() -> None:
    photo, alpha = subject((400, 500))
    known = estimates(photo, alpha, 256)
    refined = known.refined.copy()
    np.testing.assert_allclose(refined, refine_alpha(photo, alpha, 256), atol=1e-6)
    np.testing.assert_allclose(learned._blended(known, everywhere(), refined_plane), refined, atol=LEVEL / 1.9)


def test_only_tiles_at_an_edge_are_computed() -> None:
    photo, alpha = subject((1500, 1500), radius=0.05)
    counts = []

    def stage(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        assert planes.dtype == np.uint8
        assert planes.shape[1:] == (256, 256, len(contract.MATTING_PLANES))
        counts.append(len(planes))
        return refined_plane(planes)

    found = matted(photo, alpha, 1024, stage)
    assert 1 <= sum(counts) <= 6
    assert max(counts) <= 8
    far = np.s_[:400, :]
    np.testing.assert_array_equal(found[far], alpha[far])


@pytest.mark.parametrize("side", [256, 700, 2000])
def test_the_stages_work_does_not_grow_with_the_photograph(side: int) -> None:
    photo, alpha = subject((side, side * 3 // 4))
    counts = []

    def stage(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        counts.append(len(planes))
        return refined_plane(planes)

    found = matted(photo, alpha, 256, stage)
    assert counts == [1]
    assert found.shape == alpha.shape


@pytest.mark.parametrize(
    ("long_side", "size", "sides"),
    [
        (800, 1024, (800,)),
        (1500, 1024, (1024,)),
        (1600, 1024, (1024, 1600)),
        (4000, 1024, (1024, 2048)),
        (4000, 384, (384,)),
    ],
)
def test_the_stage_corrects_itself_once_where_there_is_more_to_see(
    long_side: int, size: int, sides: tuple[int, ...]
) -> None:
    assert learned._sides(long_side, size) == sides


def test_the_second_correction_starts_from_the_first() -> None:
    photo, alpha = subject((1600, 400), radius=0.2)

    def opaque_at_last(stage: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> int:
        seen: list[NDArray[np.uint8]] = []

        def watched(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
            seen.append(planes[..., contract.MATTING_PLANES.index("coarse")])
            return stage(planes)

        matted(photo, alpha, 1024, watched)
        return int((seen[-1] > 127).sum())

    assert opaque_at_last(lambda planes: np.zeros_like(planes[..., :1])) < 0.9 * opaque_at_last(refined_plane)


def test_what_the_stage_decides_is_drawn_at_the_photographs_size() -> None:
    size, side = 200, 800
    photo, truth = subject((side, side))
    known = cv2.resize(truth, (size, size), interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(cv2.GaussianBlur(np.roll(known, 4, 1), (0, 0), 3), (side, side))

    def stage(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        told = np.zeros((1, 256, 256, 1), np.uint8)
        told[0, :size, :size, 0] = np.rint(known * 255)
        return told

    error = np.abs(matted(photo, coarse, size, stage) - truth).sum()
    assert error < 0.4 * np.abs(refine_alpha(photo, coarse, size) - truth).sum()
    assert error < 0.1 * np.abs(coarse - truth).sum()


def test_without_an_edge_the_stage_is_not_asked() -> None:
    photo, _ = subject((64, 64))
    for level in (0.0, 1.0):
        flat = np.full((64, 64), level, np.float32)
        np.testing.assert_array_equal(matted(photo, flat, 1024, lambda _: pytest.fail("asked")), flat)


def test_its_failure_is_passed_on() -> None:
    photo, alpha = subject((600, 600))

    def failing(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        matted(photo, alpha, 512, failing)


def test_memory_grows_by_a_few_bytes_per_pixel() -> None:
    photo, alpha = subject((1500, 1500))
    tracemalloc.start()
    try:
        matted(photo, alpha, 1024, refined_plane)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Alpha as float32, a classical estimate as bytes, the sums of two bytes; the rest is tiles and coarse grids.
    assert peak < 1500 * 1500 * 8 + 60e6


def test_the_palette_tells_the_subjects_colours_from_the_backgrounds() -> None:
    photo, alpha = subject((300, 300))
    likely = Palette.of(photo, alpha).likelihood(photo)
    assert np.median(likely[alpha == 1]) > 230
    assert np.median(likely[alpha == 0]) < 25
    unknown = Palette.of(photo, alpha).likelihood(np.full((1, 1, 3), (255, 0, 255), np.uint8))
    assert 120 <= unknown[0, 0] <= 135


def test_a_palette_without_a_subject_knows_nothing() -> None:
    photo, _ = subject((40, 40))
    assert (np.abs(Palette.of(photo, np.full((40, 40), 0.5, np.float32)).table.astype(int) - 128) <= 1).all()
