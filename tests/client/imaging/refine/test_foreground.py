from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pymatting import estimate_foreground_ml
from scipy.ndimage import gaussian_filter

from tuft.imaging.refine import estimate_foreground

PHOTOS = Path(os.environ.get("TUFT_PHOTOS") or Path(__file__).parents[5] / "shared" / "photos")
COMPOSITES = PHOTOS / "composites"


def layers(size_hw: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Smooth foreground and background colours, a body with hairs as alpha, and their composite."""
    rng = np.random.default_rng(seed)

    def texture(mean: tuple[int, int, int], sigma: float) -> np.ndarray:
        noise = np.dstack([gaussian_filter(rng.standard_normal(size_hw), sigma) for _ in range(3)])
        return np.clip(mean + 25 * noise / noise.std(), 0, 255)

    foreground, background = texture((190, 130, 60), 8), texture((60, 100, 170), 12)
    rows, columns = np.indices(size_hw)
    distance = np.hypot(rows - size_hw[0] / 2, columns - size_hw[1] / 2) / min(size_hw)
    fuzz = gaussian_filter(rng.standard_normal(size_hw), 1.5)
    alpha = np.clip((0.32 - distance + 0.04 * fuzz / fuzz.std()) * 12 + 0.5, 0, 1)
    image = alpha[..., None] * foreground + (1 - alpha[..., None]) * background
    return np.rint(image).astype(np.uint8), alpha.astype(np.float32), foreground, background


def band_error(estimate: np.ndarray, truth: np.ndarray, alpha: np.ndarray) -> float:
    """Mean error of a·F in the band: the visible error of colours."""
    band = (alpha > 0.02) & (alpha < 0.98)
    return float((alpha[..., None] * np.abs(estimate.astype(float) - truth))[band].mean())


@pytest.mark.parametrize("seed", range(3))
def test_colours_come_near_the_truth_and_nearer_than_multi_level_estimation(seed: int) -> None:
    image, alpha, foreground, _ = layers((180, 240), seed)
    ours = band_error(estimate_foreground(image, alpha), foreground, alpha)
    theirs = band_error(255 * estimate_foreground_ml(image / 255.0, alpha.astype(float)), foreground, alpha)
    untouched = band_error(image, foreground, alpha)
    assert ours < 0.25 * untouched
    assert ours < 1.1 * theirs


@pytest.mark.skipif(not COMPOSITES.is_dir(), reason="set TUFT_PHOTOS to the folder of test photographs")
@pytest.mark.slow
def test_photographed_colours_are_no_worse_than_multi_level_estimation() -> None:
    from tuft.imaging import load_photo

    errors = []
    for path in sorted(COMPOSITES.glob("*_image.png")):
        image = load_photo(path).rgb
        # Pillow, not load_photo, which lays a transparent picture over a backdrop of its own choice.
        with Image.open(path.with_name(path.name.replace("_image", "_fg_rgba"))) as truth:
            rgba = np.asarray(truth.convert("RGBA"), np.float32)
        alpha = rgba[..., 3] / np.float32(255)
        premultiplied = alpha[..., None] * rgba[..., :3]
        band = (alpha > 0.02) & (alpha < 0.98)
        candidates = (
            estimate_foreground(image, alpha),
            255 * estimate_foreground_ml(image / 255.0, alpha.astype(float)),
            image,
        )
        errors.append([np.abs(alpha[..., None] * F - premultiplied)[band].mean() for F in candidates])
    ours, theirs, untouched = np.mean(errors, axis=0)
    assert ours < 0.5 * untouched
    assert ours <= theirs


def test_opaque_and_clear_pixels_are_never_touched(rng: np.random.Generator) -> None:
    image, alpha, _, _ = layers((120, 90), 5)
    estimate = estimate_foreground(image, alpha)
    sure = (alpha <= 0.4 / 255) | (alpha >= 254.6 / 255)
    assert 0.2 < sure.mean() < 0.99
    np.testing.assert_array_equal(estimate[sure], image[sure])
    assert (estimate[~sure] != image[~sure]).any(axis=-1).mean() > 0.9


def test_flat_layers_are_found() -> None:
    _, alpha, _, _ = layers((120, 160), 3)
    mixed = alpha[..., None] * (200, 120, 40) + (1 - alpha[..., None]) * (30, 90, 160)
    estimate = estimate_foreground(np.rint(mixed).astype(np.uint8), alpha)
    visible = alpha > 0.1
    assert np.abs(estimate[visible].astype(int) - (200, 120, 40)).max() <= 10
    assert np.abs(estimate[visible].astype(int) - (200, 120, 40)).mean() < 2


def test_the_equation_holds_where_both_layers_can_explain_it() -> None:
    """a·F + (1 − a)·B = I for some B in range: F is always consistent with the photograph."""
    image, alpha, _, _ = layers((150, 200), 7)
    estimate = estimate_foreground(image, alpha).astype(float)
    band = (alpha > 0.05) & (alpha < 0.95)
    behind = (image - alpha[..., None] * estimate)[band] / (1 - alpha[band])[:, None]
    assert ((behind > -12) & (behind < 267)).mean() > 0.99


@pytest.mark.parametrize("constant", [0.0, 1.0, 0.5])
def test_constant_alpha(constant: float, rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    estimate = estimate_foreground(image, np.full((40, 60), constant, np.float32))
    if constant in (0.0, 1.0):
        np.testing.assert_array_equal(estimate, image)
    assert estimate is not image
    assert (estimate.dtype, estimate.shape) == (np.uint8, image.shape)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 50), (50, 1), (2, 3), (300, 5), (257, 513)])
def test_photographs_of_any_shape(size_hw: tuple[int, int], rng: np.random.Generator) -> None:
    image = np.full((*size_hw, 3), (9, 99, 199), np.uint8)
    estimate = estimate_foreground(image, rng.random(size_hw, dtype=np.float32))
    np.testing.assert_allclose(estimate, image, atol=4)  # equal foreground and background colours stay unchanged


def test_what_is_translucent_all_through_loses_the_background_too() -> None:
    rows, columns = np.indices((120, 160))
    alpha = np.where((np.abs(rows - 60) < 30) & (np.abs(columns - 80) < 30), 0.5, 0).astype(np.float32)
    image = np.rint(alpha[..., None] * (40, 30, 30) + (1 - alpha[..., None]) * (180, 200, 190)).astype(np.uint8)
    estimate = estimate_foreground(image, alpha)[alpha > 0].astype(float)
    assert np.abs(estimate - (40, 30, 30)).mean() < 8  # untouched 78


@pytest.mark.parametrize("size_hw", [(180, 240), (97, 61), (40, 700)])
def test_blocks_do_not_show(size_hw: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    image, alpha, *_ = layers(size_hw, 4)
    usual = estimate_foreground(image, alpha).astype(int)
    for side, at_once in ((7, 1 << 8), (500, 1 << 20)):
        monkeypatch.setattr("tuft.imaging.refine.foreground._SIDE", side)
        monkeypatch.setattr("tuft.imaging.refine.blocks._AT_ONCE", at_once)
        assert np.abs(estimate_foreground(image, alpha) - usual).max() <= 1  # of rounding
