"""Real subjects in scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tuft_training.scenery import cutouts
from tuft_training.scenery.cutouts import cutout_photographs, placed_cutout
from tuft_training.scenes import scene


@pytest.fixture
def disc() -> np.ndarray:
    """An opaque orange disc of 60 pixels in a transparent square of 64."""
    y, x = np.mgrid[:64, :64] - 31.5
    alpha = np.where(np.hypot(x, y) < 30, 255, 0)
    return np.dstack([np.full((64, 64), 240), np.full((64, 64), 120), np.zeros((64, 64)), alpha]).astype(np.uint8)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_disc_keeps_its_area(disc: np.ndarray, scale: float) -> None:
    colours, alpha = placed_cutout(np.random.default_rng(0), disc, scale, (100, 80), (160, 200))
    assert alpha.shape == (160, 200)
    assert colours.shape == (160, 200, 3)
    assert alpha.sum() == pytest.approx(np.pi * 30**2 * scale**2, rel=0.03)
    rows, columns = np.nonzero(alpha > 0.5)
    assert (columns.mean(), rows.mean()) == pytest.approx((100, 80), abs=1.5)
    assert (colours <= alpha[:, :, None] + 1e-5).all(), "premultiplied"


def test_two_subjects_in_five_are_real(disc: np.ndarray) -> None:
    categories = [scene(seed, (64, 64), (), (disc,)).category for seed in range(60)]
    assert 10 < categories.count("cutout") < 30
    assert "cutout" not in [scene(seed, (64, 64)).category for seed in range(60)]


def test_reading_takes_the_margins_away_and_skips_what_is_missing(disc: np.ndarray, tmp_path: Path) -> None:
    names = Path(cutouts.__file__).with_name("cutouts.txt").read_text().split()
    assert len(names) == len(set(names)) > 150
    target = tmp_path / names[3]
    target.parent.mkdir(parents=True)
    Image.fromarray(np.pad(disc, ((10, 0), (0, 30), (0, 0)))).save(target)
    (found,) = cutout_photographs(tmp_path)
    assert found.shape == (60, 60, 4)


def test_the_composites_subjects_are_not_among_them() -> None:
    names = Path(cutouts.__file__).with_name("cutouts.txt").read_text().lower()
    for held_out in ("lobster", "f22", "christmas_tree", "sun.", "saturn", "lemur"):
        assert held_out not in names
