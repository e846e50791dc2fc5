"""Our network against the installed transparent-background, weight for weight."""

from __future__ import annotations

import copy
import gc
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
from support.photographs import normalised, photographs
from support.reference import in_float64, reference_network

from tuft_export.inspyrenet import SMALL, SWIN_B, InSPyReNet
from tuft_export.inspyrenet.pyramid import Transition, ellipse_as_rectangles, gaussian_kernel

if TYPE_CHECKING:
    from torch import Tensor

# Of the largest logit, in double precision: what is left is the order of additions, amplified by random weights.
# (In float32 ours and the reference's are up to 1e-3 apart, the reference's ten times as far from these as ours.)
RELATIVE_TOLERANCE = 1e-9


def doubled(network: InSPyReNet) -> InSPyReNet:
    return copy.deepcopy(network).double()


def assert_same_logits(ours: Tensor, theirs: Tensor) -> None:
    assert theirs.std() > 0.5, "a constant output would pass any comparison"
    scale = theirs.abs().max()
    assert (ours - theirs).abs().max() / scale < RELATIVE_TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("size_hw", [(192, 192), (320, 320), (192, 256)])
def test_small_network_gives_the_references_pyramid(small_network: InSPyReNet, size_hw: tuple[int, int]) -> None:
    theirs = in_float64(reference_network(small_network))
    image = normalised(photographs(320))[:, :, : size_hw[0], : size_hw[1]].double()
    expected = theirs.forward_inspyre(image)
    actual = doubled(small_network).pyramid(image)
    for ours, reference in zip(actual.saliency, expected["saliency"], strict=True):
        assert_same_logits(ours, reference)
    for ours, reference in zip(actual.laplacian, expected["laplacian"], strict=True):
        assert_same_logits(ours, reference)


@pytest.mark.slow
@torch.no_grad()
def test_swin_b_gives_the_references_logits(swin_b_network: InSPyReNet) -> None:
    image = normalised(photographs(224, 1)).double()  # no stage's map is a whole number of windows
    expected = in_float64(reference_network(swin_b_network)).forward_inspyre(image)["saliency"][-1]
    gc.collect()  # the reference refers to itself, and has hundreds of megabytes of weights
    assert_same_logits(doubled(swin_b_network)(image), expected)


@torch.no_grad()
def test_blending_gives_the_references_result(small_network: InSPyReNet) -> None:
    theirs = in_float64(reference_network(small_network, threshold=256))
    image, image_lr = normalised(photographs(384)).double(), normalised(photographs(192)).double()
    expected = theirs.forward_inference(image, image_lr)
    saliency = torch.sigmoid(doubled(small_network).blend(image, image_lr))
    # The reference scales over the whole batch.
    ours = (saliency - saliency.min()) / (saliency.max() - saliency.min())
    assert expected.std() > 0.1
    # Where the saliency changes by exactly a half, rounding decides whether the fine pass may speak.
    assert (ours - expected).abs().gt(1e-4).float().mean() < 1e-4


@torch.no_grad()
def test_blending_differs_from_one_plain_pass(small_network: InSPyReNet) -> None:
    image, image_lr = normalised(photographs(384)), normalised(photographs(192))
    blended, plain = torch.sigmoid(small_network.blend(image, image_lr)), torch.sigmoid(small_network(image))
    assert (blended - plain).abs().mean() > 0.01


@torch.no_grad()
def test_each_picture_of_a_batch_stands_alone(small_network: InSPyReNet) -> None:
    batch = normalised(photographs(192, 3))
    together = small_network(batch)
    for i in range(3):
        # Convolutions over another batch size add in another order; a neighbour's influence would be far larger.
        assert (together[i] - small_network(batch[i : i + 1])[0]).abs().max() < 1e-3 * together.abs().max()


@pytest.mark.parametrize("config", [SMALL, SWIN_B], ids=["small", "swin_b"])
def test_state_dict_has_the_references_keys_and_shapes(config: object) -> None:
    with torch.device("meta"):
        ours = InSPyReNet(config)  # type: ignore[arg-type]
    theirs = reference_network(ours, load=False)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}


def test_swin_b_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = InSPyReNet(SWIN_B)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(90.7e6, rel=1e-3)


@pytest.mark.parametrize("size", [3, 5, 9, 17])
def test_rectangles_cover_opencvs_ellipse(size: int) -> None:
    covered = np.zeros((size, size), np.uint8)
    for height, width in ellipse_as_rectangles(size):
        top, left = (size - height) // 2, (size - width) // 2
        covered[top : top + height, left : left + width] = 1
    np.testing.assert_array_equal(covered, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))


def test_transition_is_opencvs_dilation_minus_erosion() -> None:
    logits = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 20, (64, 80)).astype(np.float32), (0, 0), 2)
    saliency = 1 / (1 + np.exp(-logits))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    expected = cv2.dilate(saliency, kernel) - cv2.erode(saliency, kernel) > 0.5
    actual = Transition(9)(torch.from_numpy(logits)[None, None])[0, 0].numpy() > 0
    assert 0.05 < expected.mean() < 0.95
    np.testing.assert_array_equal(actual, expected)


def test_gaussian_kernel_is_opencvs() -> None:
    k = cv2.getGaussianKernel(7, 1)
    np.testing.assert_allclose(gaussian_kernel()[0, 0].numpy(), np.outer(k, k), atol=1e-7)
