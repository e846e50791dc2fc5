from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import quality
from _lib.cases import Case, composites, held_out_scenes
from PIL import Image

from tuft import Client, FakeTransport

VARIANTS = (quality.Variant("stable", "stable"), quality.Variant("standard", "standard"))


def disk_case(name: str = "disk") -> Case:
    rows, columns = np.indices((96, 128), dtype=np.float32)
    alpha = np.clip((30 - np.hypot(rows - 48, columns - 64)) / 4 + 0.5, 0, 1)
    front, behind = np.array((200, 120, 40)), np.array((30, 90, 160))
    photo = np.rint(alpha[..., None] * front + (1 - alpha[..., None]) * behind).astype(np.uint8)
    return Case(name, "disk", photo, alpha, np.broadcast_to(front, photo.shape).astype(np.uint8))


def as_uint8(alpha: np.ndarray) -> np.ndarray:
    return np.rint(alpha * 255).astype(np.uint8)


def test_the_truth_scores_perfectly() -> None:
    case = disk_case()
    figures = quality.score(case, as_uint8(case.alpha), case.foreground)
    assert figures["iou"] == pytest.approx(1, abs=0.01)  # alpha of one half is either side of it once rounded
    assert figures["boundary F"] == 1
    assert figures["edge sharpness"] == pytest.approx(1, abs=1e-4)
    assert figures["colour"] == 0
    assert figures["sad whole"] < 0.01


def test_every_figure_tells_the_part_it_is_of() -> None:
    case = disk_case()
    wrong = as_uint8(case.alpha)
    wrong[:8, :8] = 255  # far from the band
    figures = quality.score(case, wrong, case.foreground)
    assert figures["sad rest"] == pytest.approx(64 / 1000, rel=0.01)
    assert figures["sad band"] < 0.01
    assert figures["sad whole"] == pytest.approx(figures["sad rest"] + figures["sad band"])


def test_colours_are_judged_where_they_show() -> None:
    case = disk_case()
    soft = (case.alpha > 0.02) & (case.alpha < 0.98)
    assert quality.colour_error(case, case.photo) > 5
    shifted = np.where(soft[..., None], case.foreground - 10, case.photo).astype(np.uint8)
    assert quality.colour_error(case, shifted) == pytest.approx(10 * case.alpha[soft].mean(), rel=1e-3)


def test_from_pictures_to_table_raw_numbers_and_report(tmp_path: Path) -> None:
    cases = [disk_case("one"), disk_case("two")]
    with Client(transport=FakeTransport()) as client:
        scores = quality.measure(client, cases, VARIANTS)
    quality.write(tmp_path, cases, scores)
    raw = json.loads((tmp_path / "quality.json").read_text())
    assert raw["figures"]["standard"]["one"]["iou"] == scores["standard"]["one"].figures["iou"]
    assert "`stable`" in (tmp_path / "quality.md").read_text()
    page = (tmp_path / "index.html").read_text()
    assert "alpha, standard" in page
    assert page.count("<section") + page.count("<article") >= 2


def test_the_summary_is_over_all_pictures_and_over_those_whose_subject_is_found() -> None:
    def figures(factor: float) -> dict[str, dict[str, float]]:
        one = {"gradient whole": 4.0, "sad whole": 2.0, "edge sharpness": 0.5}
        return {
            "found": {"iou": 0.9} | {name: factor * value for name, value in one.items()},
            "missed": {"iou": 0.1} | one,
        }

    names = ("stable", "standard, unrefined", "standard", "maximum")
    data = {"machine": "a machine", "figures": dict(zip(names, map(figures, (1.0, 1.0, 0.5, 2.0)), strict=True))}
    where, _, head, _, gradient, *_, last = quality.table(data).splitlines()
    assert where == "a machine"
    assert head.endswith("| all 2 pictures | the 1 whose subject was found |")
    assert gradient.startswith("| gradient error | `standard` | `standard, unrefined` | 0.75 (")
    assert gradient.endswith("| 0.50 (0.50 to 0.50) |")
    assert last.startswith("| sum of absolute errors | `maximum` | `stable` | 1.50 (")


def test_a_subject_that_nobody_finds_is_an_empty_matte() -> None:
    with Client(transport=FakeTransport(lambda image: np.zeros(image.shape[:2], np.float32))) as client:
        scores = quality.measure(client, [disk_case()], VARIANTS)
    assert scores["stable"]["disk"].figures["iou"] == 0
    assert quality.found(scores) == []


def test_the_peers_colours_are_those_of_its_own_code() -> None:
    """The steps of `Remover.process` written out: estimate, clip, round."""
    from pymatting import estimate_foreground_ml

    case = disk_case()
    estimate = estimate_foreground_ml(case.photo / 255.0, as_uint8(case.alpha) / 255.0)
    expected = (255 * np.clip(estimate, 0.0, 1.0) + 0.5).astype(np.uint8)
    np.testing.assert_array_equal(quality.peer_foreground(case.photo, as_uint8(case.alpha)), expected)


def test_scenes_without_a_subject_are_left_out() -> None:
    names = [case.name for case in held_out_scenes(3, (48, 64), first=2138)]
    assert names == ["scene 2138", "scene 2140", "scene 2141"]


def test_composites_are_read_with_their_truth(tmp_path: Path) -> None:
    case = disk_case()
    Image.fromarray(case.photo).save(tmp_path / "disk_image.png")
    rgba = np.dstack([case.foreground, as_uint8(case.alpha)])
    Image.fromarray(rgba).save(tmp_path / "disk_fg_rgba.png")
    (read,) = composites(tmp_path)
    assert read.name == "disk"
    np.testing.assert_array_equal(read.photo, case.photo)
    np.testing.assert_allclose(read.alpha, case.alpha, atol=0.5 / 255)
