from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from support.colour_models import moved_everywhere

from tuft.imaging.refine.colour_line import colour_lines

SUBJECT, PAPER = (200, 120, 40), (30, 90, 160)


def mixed(alpha: np.ndarray, subject: object = SUBJECT, paper: object = PAPER) -> np.ndarray:
    weight = alpha[..., None]
    return np.rint(weight * np.asarray(subject) + (1 - weight) * np.asarray(paper)).astype(np.uint8)


def edge(softness_px: float) -> np.ndarray:
    """A vertical edge in the middle of 160 × 200 pixels."""
    row = np.clip((np.arange(200) - 99.5) / softness_px + 0.5, 0, 1).astype(np.float32)
    return np.tile(row, (160, 1))


def strands() -> np.ndarray:
    """Strands of one and a half pixels that stick out of a body on the right."""
    drawn = np.zeros((640, 800), np.uint8)
    drawn[:, 480:] = 255
    for y in range(20, 640, 40):
        cv2.line(drawn, (340, y), (490, y + 10), 255, 6)
    return cv2.resize(drawn, (200, 160), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def test_two_plain_colours_give_the_alpha() -> None:
    truth, vague = strands(), cv2.GaussianBlur(strands(), (0, 0), 8)
    models = colour_lines(mixed(truth), vague, 1.0)
    moved = moved_everywhere(replace(models, trust=np.ones_like(models.trust)), vague, mixed(truth))
    assert np.abs(moved - truth).mean() < 0.005
    assert np.abs(moved_everywhere(models, vague, mixed(truth)) - truth).sum() < 0.55 * np.abs(vague - truth).sum()


def test_a_crisp_network_is_left_alone() -> None:
    """A crisp network decides about pixels between subject and paper, independently of colours."""
    rng = np.random.default_rng(0)
    photo = mixed(edge(1)) // 2 + rng.integers(0, 90, (160, 200, 3)).astype(np.uint8)
    models = colour_lines(photo, edge(2), 1.0)
    assert models.trust.max() < 0.05


@pytest.mark.parametrize("colours", [((90, 90, 90), (90, 90, 90)), ((92, 90, 90), (90, 91, 90))])
def test_equal_colours_are_not_believed(colours: tuple[object, object]) -> None:
    models = colour_lines(mixed(strands(), *colours), cv2.GaussianBlur(strands(), (0, 0), 8), 1.0)
    assert models.trust.max() < 0.05


def test_colours_that_vary_more_than_they_differ_are_hardly_believed() -> None:
    rng = np.random.default_rng(1)
    mottle = cv2.resize(rng.normal(0, 60, (40, 50, 3)), (200, 160), interpolation=cv2.INTER_NEAREST)
    truth, vague = strands(), cv2.GaussianBlur(strands(), (0, 0), 8)
    plain = colour_lines(mixed(truth, (150, 120, 100), (110, 120, 130)), vague, 1.0)
    mottled = np.clip(mixed(truth, (150, 120, 100), (110, 120, 130)) + mottle, 0, 255).astype(np.uint8)
    assert colour_lines(mottled, vague, 1.0).trust.mean() < 0.25 * plain.trust.mean()


def test_nothing_is_believed_far_from_the_subject() -> None:
    """A network with soft alpha all over a background without a subject nearby."""
    alpha = np.zeros((400, 400), np.float32)
    alpha[:, :200] = 0.45
    alpha[:, 390:] = 1
    photo = np.random.default_rng(2).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    models = colour_lines(photo, alpha, 1.0)
    assert models.trust[:, : 300 // models.cell].max() < 0.05


@pytest.mark.parametrize("constant", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size_hw", [(1, 1), (3, 50), (64, 64)])
def test_constant_alpha_is_finite_and_stays(constant: float, size_hw: tuple[int, int]) -> None:
    photo = np.random.default_rng(3).integers(0, 256, (*size_hw, 3)).astype(np.uint8)
    alpha = np.full(size_hw, constant, np.float32)
    moved = moved_everywhere(colour_lines(photo, alpha, 2.0), alpha, photo)
    np.testing.assert_allclose(moved, alpha, atol=1e-6)
