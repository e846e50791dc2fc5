from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from tuft.imaging.refine import blocks, refine_alpha

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHOTOS = Path(os.environ.get("TUFT_PHOTOS") or Path(__file__).parents[5] / "shared" / "photos")
COMPOSITES = PHOTOS / "composites"


def network_alpha(truth: NDArray[np.float32], scale: float, seed: int = 0) -> NDArray[np.float32]:
    """Simulates a network whose pixels cover `scale` of the photograph's: `truth`, blurred and slightly shifted."""
    height, width = truth.shape
    grid_wh = (round(width / scale), round(height / scale))
    coarse = cv2.GaussianBlur(cv2.resize(truth, grid_wh, interpolation=cv2.INTER_AREA), (0, 0), 1.2)
    rng = np.random.default_rng(seed)
    offsets = [cv2.GaussianBlur(rng.standard_normal(coarse.shape).astype(np.float32), (0, 0), 5) for _ in range(2)]
    rows, columns = np.indices(coarse.shape, dtype=np.float32)
    shifted = [axis + offset / np.abs(offset).max() for axis, offset in zip((columns, rows), offsets, strict=True)]
    moved = cv2.remap(coarse, *shifted, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.clip(cv2.resize((moved - 0.5) * 1.6 + 0.5, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)


def fur(size_hw: tuple[int, int] = (240, 320), seed: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A ball of fur on a mottled background: the photograph, and its exact alpha."""
    rng = np.random.default_rng(seed)
    height, width = size_hw
    drawn = np.zeros((height * 4, width * 4), np.uint8)
    middle, radius = np.array([width * 2, height * 2]), height * 1.1
    cv2.circle(drawn, tuple(int(x) for x in middle), int(radius), 255, -1)
    for angle in rng.uniform(0, 2 * np.pi, 500):
        lean, length = angle + rng.normal(0, 0.2), radius * rng.uniform(1.05, 1.25)
        root = middle + 0.95 * radius * np.array([np.cos(angle), np.sin(angle)])
        tip = middle + length * np.array([np.cos(lean), np.sin(lean)])
        cv2.line(drawn, tuple(map(int, root)), tuple(map(int, tip)), 255, 5)
    alpha = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    mottle = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 10)
    behind = (70, 110, 80) + 20 * (mottle / mottle.std())[..., None]
    image = (
        alpha[..., None] * (210, 170, 120) + (1 - alpha[..., None]) * behind + rng.normal(0, 1.5, (height, width, 3))
    )
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), alpha


def gradient_error(alpha: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Squared difference of gradient magnitudes after a Gaussian of 1.4 pixels."""
    smooth = [cv2.GaussianBlur(matte, (0, 0), 1.4) for matte in (alpha, truth)]
    slopes = [np.hypot(cv2.Sobel(matte, cv2.CV_32F, 1, 0), cv2.Sobel(matte, cv2.CV_32F, 0, 1)) for matte in smooth]
    return float(((slopes[0] - slopes[1]) ** 2).sum())


@pytest.mark.parametrize("scale", [1.5, 2.0, 4.0])
def test_fur_gets_nearer_to_the_truth(scale: float) -> None:
    photo, truth = fur()
    rough = network_alpha(truth, scale)
    fine = refine_alpha(photo, rough, round(320 / scale))
    assert (fine.dtype, fine.shape, fine.min(), fine.max()) == (np.float32, truth.shape, 0, 1)
    assert np.abs(fine - truth).sum() < 0.8 * np.abs(rough - truth).sum()
    assert gradient_error(fine, truth) < 0.7 * gradient_error(rough, truth)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_where_the_network_is_vague_fur_is_drawn_by_its_colours(scale: float) -> None:
    """A network that finds the subject, but places its edge only within about 20 of its pixels."""
    photo, truth = fur((480, 640))
    vague = cv2.GaussianBlur(truth, (0, 0), 5 * scale)
    fine = refine_alpha(photo, vague, round(640 / scale))
    assert np.abs(fine - truth).sum() < 0.5 * np.abs(vague - truth).sum()
    assert gradient_error(fine, truth) < 0.4 * gradient_error(vague, truth)


@pytest.mark.skipif(not COMPOSITES.is_dir(), reason="set TUFT_PHOTOS to the folder of test photographs")
@pytest.mark.slow
def test_no_photograph_gets_worse_and_most_much_better() -> None:
    from tuft.imaging import load_photo

    ratios = []
    for path in sorted(COMPOSITES.glob("*_image.png")):
        photo = load_photo(path).rgb
        own_alpha = load_photo(path.with_name(path.name.replace("_image", "_fg_rgba"))).alpha
        assert own_alpha is not None
        truth = own_alpha / np.float32(255)
        for scale in (2.0, 3.0, 4.0):
            rough = network_alpha(truth, scale)
            fine = refine_alpha(photo, rough, round(max(truth.shape) / scale))
            sums = [np.abs(alpha - truth).sum() for alpha in (fine, rough)]
            gradients = [gradient_error(alpha, truth) for alpha in (fine, rough)]
            ratios.append((sums[0] / sums[1], gradients[0] / gradients[1]))
    assert np.max(ratios) < 1.1
    assert np.mean(ratios, axis=0)[0] < 0.9
    assert np.mean(ratios, axis=0)[1] < 0.7


def test_what_the_network_is_sure_of_stays_as_it_is() -> None:
    photo, truth = fur()
    rough = 0.03 + 0.94 * network_alpha(truth, 3.0)  # certain, but not exactly 0 or 1
    fine = refine_alpha(photo, rough, 107)
    uncertain = ((rough > 0.1) & (rough < 0.9)).astype(np.uint8)
    far = cv2.dilate(uncertain, np.ones((41, 41), np.uint8)) == 0
    assert far.mean() > 0.3
    np.testing.assert_array_equal(fine[far], rough[far])


def test_nothing_is_invented_in_a_flat_background(rng: np.random.Generator) -> None:
    """A subject with a soft edge on plain paper, with camera noise: no pixel of the paper gains alpha."""
    rows, columns = np.indices((200, 300), dtype=np.float32)
    distance = np.hypot(rows - 100, columns - 150)
    truth = np.clip(60.5 - distance, 0, 1)
    paper = truth[..., None] * (180, 60, 50) + (1 - truth[..., None]) * (235, 235, 230)
    photo = np.clip(np.rint(paper + rng.normal(0, 2, paper.shape)), 0, 255).astype(np.uint8)
    rough = network_alpha(truth, 4.0)
    fine = refine_alpha(photo, rough, 75)
    paper_only = distance > 61
    assert fine[paper_only].sum() < 0.5 * rough[paper_only].sum()
    assert (fine - rough)[paper_only].max() < 0.05
    assert fine[distance > 75].max() < 0.5 / 255


def test_a_photograph_that_shows_nothing_changes_nothing_much() -> None:
    """Where colour does not separate subject and background, the network's alpha is kept."""
    rough = network_alpha(fur()[1], 3.0)
    for level in (0, 128, 255):
        fine = refine_alpha(np.full((240, 320, 3), level, np.uint8), rough, 107)
        assert np.abs(fine - rough).max() <= 0.0501  # the contrast that averaging windows would have cost


@pytest.mark.parametrize("value", [0.0, 0.05, 0.95, 1.0])
def test_without_an_edge_alpha_is_returned_as_it_came(value: float, rng: np.random.Generator) -> None:
    alpha = np.full((70, 90), value, np.float32)
    fine = refine_alpha(rng.integers(0, 256, (70, 90, 3)).astype(np.uint8), alpha, 1024)
    np.testing.assert_array_equal(fine, alpha)
    assert fine is not alpha


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_blocks_do_not_show(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, truth = fur((230, 301))
    rough = network_alpha(truth, scale)
    usual = refine_alpha(photo, rough, round(301 / scale))
    for side, at_once in ((4, 1 << 8), (64, 1 << 20)):
        monkeypatch.setattr(blocks, "_SIDE", side)
        monkeypatch.setattr(blocks, "_AT_ONCE", at_once)
        np.testing.assert_allclose(refine_alpha(photo, rough, round(301 / scale)), usual, atol=2e-3)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 400), (400, 1), (2, 3), (33, 257)])
def test_photographs_of_any_shape(size_hw: tuple[int, int], rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (*size_hw, 3)).astype(np.uint8)
    alpha = rng.random(size_hw, dtype=np.float32)
    for size in (64, 1024):
        fine = refine_alpha(photo, alpha, size)
        assert fine.shape == size_hw
        assert fine.min() >= 0
        assert fine.max() <= 1


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_alpha_that_may_be_overwritten_gives_the_same(scale: float) -> None:
    photo, truth = fur()
    rough = network_alpha(truth, scale)
    usual = refine_alpha(photo, rough, round(320 / scale))
    given = rough.copy()
    np.testing.assert_array_equal(refine_alpha(photo, given, round(320 / scale), overwrite=True), usual)
    np.testing.assert_array_equal(rough, network_alpha(truth, scale))  # else it stays as it is
