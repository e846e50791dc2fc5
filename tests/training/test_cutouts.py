"""Real subjects in scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tuft_training.scenery import cutouts
from tuft_training.scenery.cutouts import Cutouts, cutout_photographs, is_cut_below, placed_cutout
from tuft_training.scenes import scene


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_disc_keeps_its_area(disc: np.ndarray, scale: float) -> None:
    colours, alpha = placed_cutout(np.random.default_rng(0), disc, scale, (100, 80), (160, 200))
    assert alpha.shape == (160, 200)
    assert colours.shape == (160, 200, 3)
    assert alpha.sum() == pytest.approx(np.pi * 30**2 * scale**2, rel=0.03)
    rows, columns = np.nonzero(alpha > 0.5)
    assert (columns.mean(), rows.mean()) == pytest.approx((100, 80), abs=1.5)
    assert (colours <= alpha[:, :, None] + 1e-5).all(), "premultiplied"


def test_half_of_the_subjects_are_cutouts(disc: np.ndarray) -> None:
    categories = [scene(seed, (64, 64), (), (Cutouts((disc,)),)).category for seed in range(60)]
    assert 15 < categories.count("cutout") < 40
    assert "cutout" not in [scene(seed, (64, 64)).category for seed in range(60)]


def test_kinds_are_drawn_by_their_weight(disc: np.ndarray) -> None:
    never = Cutouts((), 0.0)  # to draw from it would fail
    for seed in range(30):
        scene(seed, (64, 64), (), (never, Cutouts((disc,), 0.2), never))


def test_an_enlarged_cutout_keeps_its_edge_sharp(disc: np.ndarray) -> None:
    colours, alpha = placed_cutout(np.random.default_rng(0), disc, 3.0, (100, 100), (200, 200))
    edge = (alpha > 0.05) & (alpha < 0.95)
    assert edge.sum() < 2.5 * np.pi * 2 * 90, "pixels of an edge that is three pixels wide at most"
    assert (colours <= alpha[:, :, None] + 1e-5).all(), "premultiplied"


def test_a_portrait_cut_by_its_frame_is_known_by_its_straight_end(disc: np.ndarray) -> None:
    assert not is_cut_below(disc[2:-2])
    assert is_cut_below(disc[:40])


def test_reading_takes_the_margins_away_and_skips_what_is_missing(disc: np.ndarray, tmp_path: Path) -> None:
    names = Path(cutouts.__file__).with_name("cutouts.txt").read_text().split()
    assert len(names) == len(set(names)) > 150
    target = tmp_path / names[3]
    target.parent.mkdir(parents=True)
    Image.fromarray(np.pad(disc, ((10, 0), (0, 30), (0, 0)))).save(target)
    assert {kind: [one.shape for one in found] for kind, found in cutout_photographs(tmp_path).items()} == {
        "animals": [(60, 60, 4)]
    }


def test_the_composites_subjects_are_not_among_them() -> None:
    names = Path(cutouts.__file__).with_name("cutouts.txt").read_text().lower()
    for held_out in ("lobster", "f22", "christmas_tree", "sun.", "saturn", "lemur"):
        assert held_out not in names
