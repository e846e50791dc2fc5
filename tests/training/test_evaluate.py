"""Evaluation: a perfect network has perfect measures, and contact sheets have the expected cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tuft_export.inspyrenet import SMALL
from tuft_training.evaluate import (
    evaluate_composites,
    evaluate_photographs,
    photographs_sheet,
    score,
    scores_table,
    table,
    worst_sheet,
)
from tuft_training.pets import Labelled, split_sets
from tuft_training.predict import predict
from tuft_training.sheets import contact_sheet, row_of_cells, save_sheet


class RedIsForeground(torch.nn.Module):
    """Logits that are high where the first channel is high."""

    def __init__(self):
        super().__init__()
        self.config = SMALL
        self.scale = torch.nn.Parameter(torch.tensor(50.0))

    def forward(self, image):
        return self.scale * image[:, :1]


@pytest.fixture
def composites(tmp_path):
    truth = np.zeros((40, 60), np.uint8)
    truth[10:30, 20:50] = 255
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :, 0] = truth
    Image.fromarray(image).save(tmp_path / "square_image.png")
    Image.fromarray(np.dstack([image, truth])).save(tmp_path / "square_fg_rgba.png")
    return tmp_path


def test_prediction_has_the_size_of_the_picture():
    alpha = predict(RedIsForeground(), np.zeros((30, 50, 3), np.uint8), 64)
    assert alpha.shape == (30, 50)
    assert alpha.dtype == np.float32
    assert alpha.max() < 1e-3


def test_knowing_network_scores_full_marks(composites):
    results = evaluate_composites(RedIsForeground(), composites, 64)
    assert list(results) == ["square"]
    assert results["square"].iou > 0.9
    assert results["square"].mae < 0.05
    assert table({"square": [results["square"]]}).splitlines()[-1].startswith("all")


def test_knowing_network_scores_full_marks_on_held_out_photographs(pets):
    results = evaluate_photographs(RedIsForeground(), pets, 64)
    assert {name: len(several) for name, several in results.items()} == {"feral_cats": 3, "oxford_pets": 1}
    assert all(one.iou > 0.9 and one.mae < 0.02 for several in results.values() for one in several)
    assert len(evaluate_photographs(RedIsForeground(), pets, 64, each=2)["feral_cats"]) == 2
    assert scores_table(results).splitlines()[-1].split()[:2] == ["all", "4"]


def test_the_worst_photographs_come_first(pets):
    darkened = next(iter(split_sets(pets)["feral_cats"].held_out))
    Image.fromarray(np.zeros((80, 100, 3), np.uint8)).save(darkened.image)
    sheet = worst_sheet(RedIsForeground(), pets, 64, 2)
    first, second = sheet[40:144, : 4 * 144], sheet[40:144, 4 * 144 : 8 * 144]
    assert not first[:, :288].any(), "neither the picture nor its alpha show anything"
    assert second[:, 144:288].any()


def test_a_score_leaves_out_what_the_mask_does_not_know():
    truth = Labelled(
        np.zeros((2, 4, 3), np.uint8), np.array([[1, 1, 0, 0]] * 2, np.float32), np.ones((2, 4), np.float32)
    )
    alpha = np.array([[0.9, 0.2, 0.8, 0.0]] * 2, np.float32)
    assert score(alpha, truth) == pytest.approx((1 / 3, (0.1 + 0.8 + 0.8) / 4))
    truth.known[:, 1:3] = 0
    assert score(alpha, truth) == pytest.approx((1.0, 0.05))


def test_sheets(composites, tmp_path):
    paths = [composites / "square_image.png"] * 4
    sheet = photographs_sheet(RedIsForeground(), paths, 64)
    assert sheet.shape == (2 * 144, 3 * 3 * 144, 3)
    save_sheet(sheet, tmp_path / "sheet.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "sheet.png")), sheet)


def test_a_row_shows_picture_alpha_truth_and_cut_out():
    image, alpha = np.full((10, 10, 3), 200, np.uint8), np.zeros((10, 10), np.float32)
    row = row_of_cells(image, alpha, "", alpha + 1)
    cells = row.reshape(144, 4, 144, 3)[72, :, 72]
    np.testing.assert_array_equal(cells, [[200, 200, 200], [0, 0, 0], [255, 255, 255], [60, 170, 90]])
    assert contact_sheet([row, row, row], columns=2).shape == (288, 8 * 144, 3)
