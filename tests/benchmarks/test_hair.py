"""benchmarks/hair.py: what it counts, on pictures whose errors are known."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

import cv2
import hair
import numpy as np
import pytest
from _hair import figures, inputs
from _hair.page import page, zooms
from _hair.refinements import Refined
from _lib.cases import Case

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def picture(name: str = "one", size: int = 200) -> Case:
    """A soft red disk on blue."""
    y, x = np.indices((size, size), dtype=np.float32)
    alpha = np.clip((size / 4 - np.hypot(y - size / 2, x - size / 2)) / 12 + 0.5, 0, 1).astype(np.float32)
    foreground = np.full((size, size, 3), (200, 40, 20), np.uint8)
    photo = alpha[..., None] * foreground + (1 - alpha[..., None]) * np.float32((20, 60, 180))
    return Case(name, "made", np.rint(photo).astype(np.uint8), alpha, foreground)


def test_the_truth_has_no_error() -> None:
    case = picture()
    found = figures.errors(case, case.alpha, case.foreground)
    assert max(found["sad"], found["gradient"], found["composite"]) < 1e-9
    assert found["sharpness"] == pytest.approx(1)


def test_composite_error_is_what_shows_over_white_black_and_green() -> None:
    case = picture()
    band = np.zeros(case.alpha.shape, np.bool_)
    band[100, 100] = True  # opaque in truth
    seen = figures.composite_error(case, np.float32([0.75]), np.array([[200, 40, 20]], np.uint8), band)
    expected = [np.abs(0.25 * (np.array((200, 40, 20)) - backdrop)) for backdrop in (255, 0, np.array((0, 177, 64)))]
    assert seen == pytest.approx(np.mean(expected), rel=1e-5)


def test_the_worst_edge_sharpness_is_the_smallest() -> None:
    ratios = np.array([0.8, 1.2, 1.0])
    assert figures.summary("sad", ratios, "abc")["worst_of"] == "b"
    found = figures.summary("sharpness", ratios, "abc")
    assert (found["worst_of"], found["mean"]) == ("a", 1.0)
    assert 0.8 <= found["low"] < 1 < found["high"] <= 1.2


def test_ratios_are_to_the_networks_own_matte_of_the_pictures_that_it_finds() -> None:
    cases = [picture("found"), picture("missed")]

    def coarse(photo: NDArray[np.uint8]) -> NDArray[np.float32]:
        matte = cases[0].alpha * 0.8 if photo is cases[0].photo else np.zeros(photo.shape[:2])
        return matte.astype(np.float32)

    chosen = {
        "none": lambda case, matte: Refined(matte, case.photo, 0.0),
        "half as wrong": lambda case, matte: Refined((matte + case.alpha) / 2, case.foreground, 0.4),
    }
    shown: list[object] = []
    found = hair.measured("made", iter(cases), coarse, chosen, shown)
    assert (found["photographs"], found["found"]) == (2, 1)
    one = found["refinements"]["half as wrong"]
    assert one["sad"]["mean"] == pytest.approx(0.5, abs=1e-3)
    assert one["gradient"]["mean"] == pytest.approx(0.25, abs=0.01)
    assert one["composite"]["mean"] < 0.6
    assert one["cpu_s_per_mp"] == pytest.approx(0.4 / 0.04)
    assert len(shown) == 2
    text = hair.table({"machine": "M", "load": 1, "sets": {"made pictures": {"a network": found}}})
    assert "Made pictures, a network, 1 of 2:" in text
    assert "| half as wrong | 0.50 (0.50 to 0.50) | 0.25" in text


def test_the_page_shows_where_the_last_refinement_is_worst_and_best() -> None:
    case = picture(size=600)
    good, bad = case.alpha.copy(), case.alpha.copy()
    good[:100, :100] = 1  # wrong where nothing is
    bad[500:, 500:] = 1
    worst, best = zooms(case, {"none": good, "stage": bad}, "one")
    for zoom, column in ((worst, 2), (best, 1)):
        shown = cv2.imdecode(np.frombuffer(zoom.png, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert shown.shape == (320, 4 * 320)
        means = shown.reshape(320, 4, 320).mean(axis=(0, 2))
        assert means[column] > 90
        assert max(means[3 - column], means[3]) < 5
    text = page([worst])
    assert "one, worst place</b>: photograph, none, stage, truth" in text
    assert b64decode(text.partition("base64,")[2].partition('"')[0]) == worst.png


def test_cut_outs_over_new_backgrounds_are_composed_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_MEGAPIXELS", (0.12,))
    monkeypatch.setattr(inputs, "_NOISE", 0)
    (tmp_path / "behind").mkdir()
    rgba = np.zeros((60, 40, 4), np.uint8)
    rgba[10:50, 10:30] = (250, 200, 10, 255)
    cv2.imwrite(str(tmp_path / "cat_fg_rgba.png"), rgba[..., [2, 1, 0, 3]])
    cv2.imwrite(str(tmp_path / "behind" / "a.png"), np.full((30, 40, 3), (180, 20, 20), np.uint8))
    (case,) = inputs._over_new(tmp_path, tmp_path / "behind")
    assert (case.name, case.photo.shape) == ("cat 0.12 MP", (300, 400, 3))
    composed = case.alpha[..., None] * case.foreground + (1 - case.alpha[..., None]) * np.float32((20, 20, 180))
    assert np.abs(composed - case.photo).max() <= 1
    assert case.alpha[150, 200] == 1
    assert case.alpha[:10].max() == 0
