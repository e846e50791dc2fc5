"""Losses: minima, zeros, and slow versions of their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from tuft_export.inspyrenet import SaliencyPyramid
from tuft_export.inspyrenet.pyramid import ImagePyramid
from tuft_training.losses import CONSISTENCY, neighbourhood_mean, pixel_iou, pyramid_loss, region_iou, weighted_bce


@pytest.fixture
def alpha():
    rng = np.random.default_rng(0)
    soft = ndimage.gaussian_filter((rng.random((64, 64)) > 0.97).astype(float), 4)
    return torch.from_numpy(np.clip(soft * 60, 0, 1).astype(np.float32))[None, None]


def logits_of(alpha, sharpness=1.0):
    return sharpness * torch.logit(alpha.clamp(1e-4, 1 - 1e-4))


def perfect_pyramid(alpha):
    image_pyramid = ImagePyramid()
    truths = [alpha]
    for _ in range(3):
        truths.insert(0, image_pyramid.reduce(truths[0]).clamp(0, 1))
    saliency = tuple(logits_of(truth) for truth in truths)
    return SaliencyPyramid(saliency, tuple(torch.zeros_like(truth) for truth in truths[1:]))


def test_neighbourhood_mean_against_scipy(alpha):
    image = alpha[0, 0].double().numpy()
    total = ndimage.uniform_filter(image, 31, mode="constant")
    valid = ndimage.uniform_filter(np.ones_like(image), 31, mode="constant")
    np.testing.assert_allclose(neighbourhood_mean(alpha)[0, 0], total / valid, atol=1e-5)


def test_weighted_bce_of_a_constant_is_plain_entropy():
    constant = torch.full((2, 1, 40, 40), 0.3)
    expected = -(0.3 * np.log(0.3) + 0.7 * np.log(0.7))
    assert float(weighted_bce(logits_of(constant), constant)) == pytest.approx(expected, rel=1e-5)


def test_weighted_bce_is_least_at_the_truth(alpha):
    logits = logits_of(alpha).requires_grad_()
    weighted_bce(logits, alpha.clamp(1e-4, 1 - 1e-4)).backward()
    assert float(logits.grad.abs().max()) < 1e-6


def test_pixel_iou_by_hand():
    logits, alpha = torch.tensor([[[[0.0, 30.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    # (0.5 + 1) / (1.5 - 0.5 + 1) = 0.75 and (0 + 1) / (1 - 0 + 1) = 0.5
    assert float(pixel_iou(logits, alpha)) == pytest.approx((0.25 + 0.5) / 2, abs=1e-6)


def test_pixel_iou_is_zero_for_a_binary_match():
    alpha = (torch.arange(64).reshape(1, 1, 8, 8) % 3 == 0).float()
    assert float(pixel_iou((alpha - 0.5) * 200, alpha)) == pytest.approx(0, abs=1e-6)


def test_region_iou_by_hand():
    logits, alpha = torch.zeros(1, 1, 10, 100), torch.zeros(1, 1, 10, 100)
    alpha[..., :5] = 1
    # The intersection is 25 of 525 pixels; ε adds one to both.
    assert float(region_iou(logits, alpha)) == pytest.approx(1 - 26 / 526, rel=1e-6)
    # Equal alphas; then an empty image of which half is predicted as subject.
    assert float(region_iou((alpha - 0.5) * 200, alpha)) == pytest.approx(0, abs=1e-6)
    assert float(region_iou(logits, torch.zeros_like(alpha))) == pytest.approx(1 - 1 / 501, rel=1e-6)


def test_region_iou_is_zero_at_a_soft_truth(alpha):
    assert float(region_iou(logits_of(alpha), alpha)) == pytest.approx(0, abs=1e-3)


def test_pyramid_loss_prefers_the_truth(alpha):
    image_pyramid, best = ImagePyramid(), perfect_pyramid(alpha)
    least = float(pyramid_loss(best, alpha, image_pyramid))
    for k in range(4):
        worse = list(best.saliency)
        worse[k] = worse[k] + 1.0
        assert float(pyramid_loss(best._replace(saliency=tuple(worse)), alpha, image_pyramid)) > least


def test_consistency_term_by_hand(alpha):
    """Stages of constant logits c_k: the L1 terms are |c_k - c_(k-1)|, the rest is the sum of the stages."""
    image_pyramid = ImagePyramid()
    sides, values = (8, 16, 32, 64), (1.0, 0.5, -1.0, 2.0)
    saliency = tuple(torch.full((1, 1, s, s), v) for s, v in zip(sides, values, strict=True))
    pyramid = SaliencyPyramid(saliency, ())
    truths = [alpha]
    for _ in range(3):
        truths.insert(0, image_pyramid.reduce(truths[0]).clamp(0, 1))
    stages = 0.0
    for logits, truth in zip(saliency, truths, strict=True):
        factor = 64 // truth.shape[-1]
        shown = truth.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
        flat = torch.full_like(shown, float(logits[0, 0, 0, 0]))
        stages += float(weighted_bce(flat, shown) + pixel_iou(flat, shown) + region_iou(flat, shown))
    expected = stages + CONSISTENCY * (0.5 + 1.5 + 3.0)
    assert float(pyramid_loss(pyramid, alpha, image_pyramid)) == pytest.approx(expected, abs=2e-5)


def test_what_is_unknown_changes_no_loss_and_gets_no_gradient(alpha):
    image_pyramid, known = ImagePyramid(), torch.ones_like(alpha)
    known[..., 20:40, 10:30] = 0
    torch.manual_seed(0)
    for stages in (1, 4):
        logits = [torch.randn(1, 1, s, s, requires_grad=True) for s in (8, 16, 32, 64)[:stages]]
        pyramid = SaliencyPyramid(tuple(logits), ())
        loss = pyramid_loss(pyramid, alpha, image_pyramid, known)
        loss.backward()
        loss, pyramid = loss.detach(), SaliencyPyramid(tuple(one.detach() for one in logits), ())
        other = torch.where(known > 0, alpha, 1 - alpha)
        assert float(pyramid_loss(pyramid, other, image_pyramid, known)) == pytest.approx(float(loss), abs=1e-5)
        assert abs(float(pyramid_loss(pyramid, other, image_pyramid)) - float(loss)) > 1e-3
    assert not logits[-1].grad[known == 0].any(), "the finest stage"
    assert logits[-1].grad[known > 0].abs().min() > 0


def test_all_known_is_the_plain_loss(alpha):
    pyramid, image_pyramid = perfect_pyramid(alpha), ImagePyramid()
    plain = float(pyramid_loss(pyramid, alpha, image_pyramid))
    assert float(pyramid_loss(pyramid, alpha, image_pyramid, torch.ones_like(alpha))) == plain


def test_nothing_known_is_no_loss_but_consistency(alpha):
    pyramid = SaliencyPyramid(tuple(torch.full((1, 1, s, s), 2.0) for s in (8, 16, 32, 64)), ())
    assert float(pyramid_loss(pyramid, alpha, ImagePyramid(), torch.zeros_like(alpha))) == pytest.approx(0, abs=1e-6)
