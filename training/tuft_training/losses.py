"""The losses of InSPyReNet: each stage of the saliency pyramid against the alpha, and consistency between the stages.

T. Kim et al., "Revisiting Image Pyramid Structure for High Resolution Salient Object Detection", ACCV 2022
(arXiv 2209.09475), section 3.5. Unlike in the paper, the truth is a soft alpha, so it is never thresholded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from tuft_export.inspyrenet import SaliencyPyramid
    from tuft_export.inspyrenet.pyramid import ImagePyramid

CONSISTENCY: Final = 1e-4  # weight of the pyramidal consistency terms
_NEIGHBOURHOOD_PX: Final = 31
_EDGE_WEIGHT: Final = 5.0
_SPARE_AREA: Final = 1e-3


def pyramid_loss(pyramid: SaliencyPyramid, alpha: Tensor, image_pyramid: ImagePyramid) -> Tensor:
    """Sum over the stages k of wBCE(d_k, a_k) + IoU(d_k, a_k) + region IoU(d_k, a_k), plus the pyramidal consistency.

    The region IoU is not in the paper, whose terms are means over pixels: they hardly penalise errors in small subjects
    and grey, undecided regions.

    Args:
        pyramid: Logits of all stages, or of the first ones, for images [n, 3, H, W].
        alpha: [n, 1, H, W], 0..1. A pyramid that ends early is compared at its finest size.
        image_pyramid: The network's; its Gaussian computes the truth a_k of the coarser stages.

    Returns:
        A scalar, at least 0.
    """
    size_hw = pyramid.saliency[-1].shape[-2:]
    loss, finer = alpha.new_zeros(()), None
    side = _NEIGHBOURHOOD_PX * size_hw[-1] // alpha.shape[-1] | 1
    truth = alpha
    for saliency in reversed(pyramid.saliency):
        logits = saliency.float()  # mixed precision ends here
        while truth.shape[-1] > logits.shape[-1]:  # the pyramid ends below full size
            truth = image_pyramid.reduce(truth).clamp(0, 1)
        shown, shown_truth = F.interpolate(logits, size_hw), F.interpolate(truth, size_hw)
        overlap = pixel_iou(shown, shown_truth) + region_iou(shown, shown_truth)
        loss = loss + weighted_bce(shown, shown_truth, side) + overlap
        if finer is not None:
            target = F.interpolate(image_pyramid.reduce(finer), size_hw).detach()
            loss = loss + CONSISTENCY * F.l1_loss(shown, target)
        finer = logits
    return loss


def weighted_bce(logits: Tensor, alpha: Tensor, side: int = _NEIGHBOURHOOD_PX) -> Tensor:
    """Binary cross-entropy, weighted up to six times where alpha differs from its neighbourhood.

    The weight is 1 + 5·|mean over a neighbourhood of `side`×`side` pixels − alpha|.
    """
    weight = 1 + _EDGE_WEIGHT * (neighbourhood_mean(alpha, side) - alpha).abs()
    bce = F.binary_cross_entropy_with_logits(logits, alpha, reduction="none")
    axes = (1, 2, 3)
    return ((weight * bce).sum(axes) / weight.sum(axes)).mean()


def neighbourhood_mean(alpha: Tensor, side: int = _NEIGHBOURHOOD_PX) -> Tensor:
    """Mean over the square of odd `side` around each pixel, clipped to the image; [n, 1, H, W]."""
    reach = side // 2
    # Separable: the mean over rows, then over columns, at a fifteenth of the cost.
    rows = F.avg_pool2d(alpha, (1, side), stride=1, padding=(0, reach), count_include_pad=False)
    return F.avg_pool2d(rows, (side, 1), stride=1, padding=(reach, 0), count_include_pad=False)


def pixel_iou(logits: Tensor, alpha: Tensor) -> Tensor:
    """Mean over the pixels of 1 − (p·a + 1) / (p + a − p·a + 1) with p = sigmoid(logits)."""
    saliency = torch.sigmoid(logits)
    both = saliency * alpha
    return (1 - (both + 1) / (saliency + alpha - both + 1)).mean()


def region_iou(logits: Tensor, alpha: Tensor) -> Tensor:
    """Mean over the images of 1 − (Σ min(p, a) + ε) / (Σ max(p, a) + ε) with p = sigmoid(logits).

    It is zero for a perfect soft alpha too. ε is a thousandth of the image, so that empty images have a gradient.
    """
    saliency, axes = torch.sigmoid(logits), (1, 2, 3)
    spare = _SPARE_AREA * alpha[0].numel()
    both, either = (extreme(saliency, alpha).sum(axes) + spare for extreme in (torch.minimum, torch.maximum))
    return (1 - both / either).mean()
