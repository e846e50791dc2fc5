"""The reader of real photographs: what masks know, and a split without leaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from tuft_training.pets import SETS, draw, pet_cutouts, pets_folder, split_sets

REAL = pets_folder()


def stems(photographs) -> set[str]:
    return {photograph.image.stem for photograph in photographs}


def test_a_tenth_is_held_out_and_near_duplicates_stay_together(pets: Path) -> None:
    sets = split_sets(pets)
    assert list(sets) == ["feral_cats", "oxford_pets"]
    for split, count in zip(sets.values(), (30, 10), strict=True):
        assert not stems(split.training) & stems(split.held_out)
        assert len(split.training) + len(split.held_out) == count
        assert count / 10 <= len(split.held_out) < count / 10 + 3
    together = {"cat03", "cat07", "cat11"}
    assert any(together <= stems(side) for side in sets["feral_cats"])


def test_the_split_does_not_depend_on_the_other_photographs_place(pets: Path, tmp_path: Path) -> None:
    held_out = stems(split_sets(pets)["oxford_pets"].held_out)
    moved = tmp_path / "moved"
    pets.rename(moved)
    assert stems(split_sets(moved)["oxford_pets"].held_out) == held_out


def test_a_binary_mask_knows_nothing_at_its_edge(pets: Path) -> None:
    photograph = split_sets(pets)["feral_cats"].training[0]
    edge = round(0.008 * 80)
    labelled = photograph.read()
    inside = labelled.alpha > 0
    depth = ndimage.distance_transform_edt(inside) + ndimage.distance_transform_edt(~inside)
    np.testing.assert_array_equal(labelled.known > 0, depth > edge)
    assert photograph.read(edge=0).known.all()


def test_a_trimap_knows_nothing_where_it_says_so(pets: Path) -> None:
    photograph = split_sets(pets)["oxford_pets"].training[0]
    labelled = photograph.read()
    assert labelled.image.shape == (80, 100, 3)
    y, x = np.mgrid[:80, :100]
    centre = ndimage.center_of_mass(labelled.alpha)
    distance = np.hypot(x - round(centre[1]), y - 40)
    np.testing.assert_array_equal(labelled.known > 0, (distance < 20) | (distance >= 26))
    np.testing.assert_array_equal(labelled.alpha > 0, distance < 20)


def test_only_training_photographs_are_drawn_and_pasted(pets: Path) -> None:
    sets, rng = split_sets(pets), np.random.default_rng(0)
    drawn = {draw(rng, sets) for _ in range(600)}
    assert drawn == {one for split in sets.values() for one in split.training}
    cutouts = pet_cutouts(pets)
    assert len(cutouts) == len(drawn)
    for cutout in cutouts:
        visible = cutout[cutout[:, :, 3] > 25]
        assert visible[:, 0].min() > 180, "nothing of the dark background comes along"
        assert (cutout[:, :, 3] > 127).sum() == pytest.approx(np.pi * 19**2, rel=0.1)


@pytest.mark.skipif(REAL is None, reason="the real sets are not here")
def test_no_near_duplicate_of_a_training_photograph_is_held_out() -> None:
    assert REAL is not None
    sets = split_sets(REAL)
    assert list(sets) == [one.name for one in SETS]
    training, held_out = (stems(side) for side in sets["feral_cats"])
    for line in (REAL / "feral_cats" / "DUPLICATES.txt").read_text().splitlines():
        names = set(line.replace(".jpg", "").split("'")[1::2]) - {"feral_cats"}
        assert not (names & training and names & held_out), line
