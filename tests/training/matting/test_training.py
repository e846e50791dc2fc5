"""The training of the matting stage: its pictures, their coarse mattes, patches, losses, and a resumed run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from tuft_export.matting.architecture import MattingConfig
from tuft_export.matting.checkpoints import load_matting
from tuft_export.matting.network import Matting, MattingNetwork
from tuft_training.matting.coarse import coarse_matte
from tuft_training.matting.losses import matting_loss
from tuft_training.matting.patches import INPUTS, SIDE_PX, Picture, keep, patches, picture
from tuft_training.matting.subjects import subject
from tuft_training.matting.train import Patches, Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def blob(side: int = 256) -> Picture:
    y, x = np.indices((side, side), dtype=np.float32)
    alpha = np.clip((side / 3 - np.hypot(y - side / 2, x - side / 2)) / 4 + 0.5, 0, 1).astype(np.float32)
    image = np.rint(alpha[..., None] * (210, 120, 40) + (1 - alpha[..., None]) * (40, 70, 150)).astype(np.uint8)
    return Picture(image, alpha, np.full_like(image, (210, 120, 40)), np.ones_like(alpha))


@pytest.mark.parametrize("seed", range(8))
def test_subjects_are_premultiplied_and_cover_a_part(seed: int) -> None:
    layer = subject(np.random.default_rng(seed), (160, 160), (), ())
    assert layer.alpha.min() >= 0
    assert layer.alpha.max() <= 1 + 1e-5
    assert (layer.colours <= layer.alpha[..., None] + 1e-4).all()
    assert 0.003 < layer.alpha.mean() < 0.98


def test_a_picture_is_its_layers() -> None:
    made = picture(3, (), ())
    assert made.image.shape == (*made.alpha.shape, 3) == made.foreground.shape
    again = picture(3, (), ())
    np.testing.assert_array_equal(made.image, again.image)
    inside = made.alpha > 0.99
    difference = np.abs(made.image.astype(int) - made.foreground)[inside].mean()
    assert difference < 25  # noise, sharpening and JPEG


def test_coarse_mattes_are_wrong_but_of_the_same_subject() -> None:
    made = blob()
    errors = []
    for seed in range(12):
        coarse = coarse_matte(np.random.default_rng(seed), made.alpha, made.image, 128)
        assert coarse.shape == made.alpha.shape
        assert coarse.min() >= 0
        assert coarse.max() <= 1
        errors.append(np.abs(coarse - made.alpha).mean())
    assert 0.005 < np.mean(errors) < 0.3


def test_patches_hold_the_truth_beside_what_is_known() -> None:
    made = blob(320)
    found = patches(1, made, None)
    assert found is not None
    assert found.shape[1:] == (SIDE_PX, SIDE_PX, INPUTS + 5)
    image, alpha, foreground, known = found[..., :3], found[..., INPUTS], found[..., INPUTS + 1 : -1], found[..., -1]
    assert (known == 255).all()
    mixed = alpha[..., None] / 255 * foreground + (1 - alpha[..., None] / 255) * (40, 70, 150)
    assert np.abs(mixed - image).max() <= 2


def test_the_loss_is_least_for_the_truth_and_ignores_what_is_unknown() -> None:
    torch.manual_seed(0)
    alpha, foreground = torch.rand(2, 1, 64, 64), torch.rand(2, 3, 64, 64)
    coarse, backdrop = torch.rand(2, 1, 64, 64), torch.rand(2, 3, 1, 1)
    known = torch.ones_like(alpha)
    best = matting_loss(Matting(alpha, foreground), coarse, alpha, foreground, known, backdrop)
    assert float(best) < 1e-5
    wrong = alpha.clone()
    wrong[:, :, :20] = 1 - wrong[:, :, :20]
    wrong.requires_grad_()
    assert float(matting_loss(Matting(wrong, foreground), coarse, alpha, foreground, known, backdrop).detach()) > 0.1
    known[:, :, :20] = 0
    unknown = matting_loss(Matting(wrong, foreground), coarse, alpha, foreground, known, backdrop)
    assert float(unknown.detach()) < 1e-5


@pytest.fixture
def one_thread() -> Iterator[None]:
    """On a busy machine the threads of a small network wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_training_learns_and_goes_on_where_it_was(tmp_path: Path) -> None:
    made = patches(1, blob(320), None)
    assert made is not None
    made = made[:3]
    for folder in ("train", "held"):
        keep(tmp_path / folder, 1, made)
    torch.manual_seed(0)
    network = MattingNetwork(MattingConfig(widths=(8, 8, 8, 8), head=8))
    trainer = Trainer(network, tmp_path / "run", 3e-3, 1)
    data = Patches(tmp_path / "train", 1)
    losses = [trainer.advance(data.batch(1), 0.0) for _ in range(8)]
    assert losses[-1] < losses[0]
    trainer.elapsed_s = 1e9  # at its end: it only measures and saves
    trainer.run(data, tmp_path / "held", argparse.Namespace(minutes=1.0, batch=2, evaluate_every=10))
    assert (tmp_path / "run" / "curves.csv").read_text().count("\n") == 2
    assert load_matting(tmp_path / "run" / "best.safetensors").config.head == 8
    again = Trainer(MattingNetwork(network.config), tmp_path / "run", 3e-3, 1)
    again.resume()
    assert again.step == 8
    for one, other in zip(again.network.parameters(), trainer.network.parameters(), strict=True):
        torch.testing.assert_close(one, other)
