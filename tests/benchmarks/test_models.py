"""The benchmark of models: its pictures are the composites', and its table says what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import models
import numpy as np
import pytest
from PIL import Image

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "models.json"


def test_composites_become_photographs_and_masks(tmp_path: Path, rng: np.random.Generator) -> None:
    source = tmp_path / "composites"
    source.mkdir()
    photo = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    subject = rng.integers(0, 256, (40, 50, 4), dtype=np.uint8)
    Image.fromarray(photo).save(source / "dog_image.png")
    Image.fromarray(subject).save(source / "dog_fg_rgba.png")
    images, masks = models.composed(source, tmp_path / "made")
    np.testing.assert_array_equal(np.asarray(Image.open(images / "dog.png")), photo)
    np.testing.assert_array_equal(np.asarray(Image.open(masks / "dog.png")), subject[..., 3])


def test_the_table_holds_means_intervals_and_the_verdict() -> None:
    figures = {key: [0.5, 0.25, 0.75] for key in ("mae", "iou", "band_sad", "band_gradient", "edge_sharpness")}
    means = {"found": [1.0, 1.0, 1.0], **figures, "boundary_f": [0.5, None, None]}
    measured = {"photographs": 9, "means": {"one": means}, "wins": {"one": 7}, "verdict": "one is the best."}
    lines = models.table({"sets": {"Real alpha": measured}}).splitlines()
    assert lines[0] == "Real alpha:"
    cells = [cell.strip() for cell in lines[4].split("|")]
    assert cells[1:5] == ["`one`", "7 of 9", "100%", "0.5000 (0.2500 to 0.7500)"]
    assert cells[9] == "0.500"
    assert lines[-1] == "one is the best."


@pytest.mark.skipif(not RESULTS.is_file(), reason="not measured yet")
def test_what_was_measured_has_all_models() -> None:
    sets = json.loads(RESULTS.read_text())["sets"]
    assert all({*models.PRESETS, *models.MODELS} == set(measured["means"]) for measured in sets.values())
