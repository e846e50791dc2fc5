"""Rendered subjects in scenes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tuft_training.scenery import renders
from tuft_training.scenery.renders import rendered_subjects, roughened

PERSON, GUITAR, CAT, FLAG = "1f3c3", "1f3b8", "1f408", "1f1e9-1f1ea"


@pytest.fixture
def disc(disc: np.ndarray) -> np.ndarray:
    """The disc in one grey, so that all variation comes from what was done to it."""
    disc[:, :, :3] = 128
    return disc


def test_the_list_names_each_subject_once() -> None:
    lines = Path(renders.__file__).with_name("renders.txt").read_text().splitlines()
    codes = [code for line in lines for code in line.split()[1:]]
    assert Counter(codes).most_common(1)[0][1] == 1
    assert {line.split()[0] for line in lines} == {"people", "animals", "things"}
    assert {PERSON, GUITAR, CAT} < set(codes)
    assert FLAG not in codes


def test_subjects_are_found_by_kind_and_people_in_every_skin_tone(disc: np.ndarray, tmp_path: Path) -> None:
    for name in (PERSON, f"{PERSON}-1f3fe", GUITAR, CAT, FLAG):
        Image.fromarray(disc).save(tmp_path / f"{name}.webp", lossless=True)
    found = rendered_subjects(tmp_path)
    assert {kind: len(pictures) for kind, pictures in found.items()} == {"people": 2, "things": 1, "animals": 1}
    assert found["things"][0].shape == (60, 60, 4)


def test_tiles_and_glows_are_left_out(disc: np.ndarray, tmp_path: Path) -> None:
    tile, glow = disc.copy(), disc.copy()
    tile[:, :, 3] = 255
    glow[:, :, 3] //= 2
    Image.fromarray(tile).save(tmp_path / f"{GUITAR}.webp", lossless=True)
    Image.fromarray(glow).save(tmp_path / f"{CAT}.webp", lossless=True)
    assert rendered_subjects(tmp_path) == {}


def test_a_roughened_render_keeps_its_alpha_and_is_no_longer_smooth(disc: np.ndarray) -> None:
    photograph = np.random.default_rng(1).integers(0, 256, (80, 90, 3), np.uint8)
    for seed in range(10):
        rough = roughened(np.random.default_rng(seed), disc, (photograph,))
        np.testing.assert_array_equal(rough[:, :, 3], disc[:, :, 3])
        assert rough[disc[:, :, 3] > 0][:, :3].std() > 2
        np.testing.assert_array_equal(rough, roughened(np.random.default_rng(seed), disc, (photograph,)))
