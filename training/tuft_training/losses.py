"""The losses of InSPyReNet: each stage of the saliency pyramid against the alpha, and consistency between the stages.

T. Kim et al., "Revisiting Image Pyramid Structure for High Resolution Salient Object Detection", ACCV 2022
(arXiv 2209.09475), section 3.5. Unlike in the paper, the truth is a soft alpha, so it is never thresholded, and it may
be known in parts of an image only: masks know inside and outside, scenes know everything. `known`, 0 or 1, weights the
pixels of the finest stage; what is unknown there changes no loss and gets no gradient.
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
_LITTLE: Final = 1e-6


def pyramid_loss(
    pyramid: SaliencyPyramid, alpha: Tensor, image_pyramid: ImagePyramid, known: Tensor | None = None
) -> Tensor:
    """Sum over the stages k of wBCE(d_k, a_k) + IoU(d_k, a_k) + region IoU(d_k, a_k), plus the pyramidal consistency.

    The region IoU is not in the paper, whose terms are means over pixels: they hardly penalise errors in small subjects
    and grey, undecided regions.

    Args:
        pyramid: Logits of all stages, or of the first ones, for images [n, 3, H, W].
        alpha: [n, 1, H, W], 0..1. A pyramid that ends early is compared at its finest size.
        image_pyramid: The network's; its Gaussian computes the truth a_k of the coarser stages.
        known: [n, 1, H, W], 1 where alpha is known, else 0; by default everywhere.

    Returns:
        A scalar, at least 0.
    """
    size_hw = pyramid.saliency[-1].shape[-2:]
    loss, finer = alpha.new_zeros(()), None
    side = _NEIGHBOURHOOD_PX * size_hw[-1] // alpha.shape[-1] | 1
    truth, weight = alpha, torch.ones_like(alpha) if known is None else known
    for saliency in reversed(pyramid.saliency):
        logits = saliency.float()  # mixed precision ends here
        while truth.shape[-1] > logits.shape[-1]:  # the pyramid ends below full size
            truth, weight = _coarser(truth, weight, image_pyramid)
        shown, shown_truth, shown_weight = (F.interpolate(one, size_hw) for one in (logits, truth, weight))
        overlap = pixel_iou(shown, shown_truth, shown_weight) + region_iou(shown, shown_truth, shown_weight)
        loss = loss + weighted_bce(shown, shown_truth, side, shown_weight) + overlap
        if finer is not None:
            target = F.interpolate(image_pyramid.reduce(finer), size_hw).detach()
            loss = loss + CONSISTENCY * F.l1_loss(shown, target)
        finer = logits
    return loss


def _coarser(truth: Tensor, weight: Tensor, image_pyramid: ImagePyramid) -> tuple[Tensor, Tensor]:
    """Half of the size: alpha averaged over the known pixels, and the fraction of them."""
    coarse = image_pyramid.reduce(weight).clamp(0, 1)
    return (image_pyramid.reduce(truth * weight) / coarse.clamp_min(_LITTLE)).clamp(0, 1), coarse


def weighted_bce(logits: Tensor, alpha: Tensor, side: int = _NEIGHBOURHOOD_PX, known: Tensor | None = None) -> Tensor:
    """Binary cross-entropy, weighted up to six times where alpha differs from its neighbourhood.

    The weight is 1 + 5·|mean over a neighbourhood of `side`×`side` pixels − alpha|, over known pixels.
    """
    known = torch.ones_like(alpha) if known is None else known
    mean = neighbourhood_mean(alpha * known, side) / neighbourhood_mean(known, side).clamp_min(_LITTLE)
    weight = known * (1 + _EDGE_WEIGHT * (mean - alpha).abs())
    bce = F.binary_cross_entropy_with_logits(logits, alpha, reduction="none")
    axes = (1, 2, 3)
    return ((weight * bce).sum(axes) / weight.sum(axes).clamp_min(_LITTLE)).mean()


def neighbourhood_mean(alpha: Tensor, side: int = _NEIGHBOURHOOD_PX) -> Tensor:
    """Mean over the square of odd `side` around each pixel, clipped to the image; [n, 1, H, W]."""
    reach = side // 2
    # Separable: the mean over rows, then over columns, at a fifteenth of the cost.
    rows = F.avg_pool2d(alpha, (1, side), stride=1, padding=(0, reach), count_include_pad=False)
    return F.avg_pool2d(rows, (side, 1), stride=1, padding=(reach, 0), count_include_pad=False)


def pixel_iou(logits: Tensor, alpha: Tensor, known: Tensor | None = None) -> Tensor:
    """Mean over the known pixels of 1 − (p·a + 1) / (p + a − p·a + 1) with p = sigmoid(logits)."""
    saliency = torch.sigmoid(logits)
    both = saliency * alpha
    loss = 1 - (both + 1) / (saliency + alpha - both + 1)
    return loss.mean() if known is None else (loss * known).sum() / known.sum().clamp_min(_LITTLE)


def region_iou(logits: Tensor, alpha: Tensor, known: Tensor | None = None) -> Tensor:
    """Mean over the images of 1 − (Σ min(p, a) + ε) / (Σ max(p, a) + ε) with p = sigmoid(logits), over known pixels.

    It is zero for a perfect soft alpha too. ε is a thousandth of the image, so that empty images have a gradient.
    """
    saliency, axes = torch.sigmoid(logits), (1, 2, 3)
    known = torch.ones_like(alpha) if known is None else known
    spare = _SPARE_AREA * alpha[0].numel()
    both, either = ((known * extreme(saliency, alpha)).sum(axes) + spare for extreme in (torch.minimum, torch.maximum))
    return (1 - both / either).mean()
