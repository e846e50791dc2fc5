"""Losses of the matting stage: errors relative to those of the coarse matte, picture by picture.

A loss that is relative weighs pictures alike, as the measure does: a thistle has a hundred times the error of a vase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tuft_export.matting.network import Matting

# Weights of the terms: alpha, its differences, its gradient as it is measured, its pyramid, the composite, the colours.
_WEIGHTS: Final = (1.0, 0.5, 0.7, 0.5, 0.7, 0.3)
_LEVELS: Final = 4
# Mean errors per pixel below which a patch is called well enough.
_FLOOR: Final = 0.01
_SIGMA_PX: Final = 1.4


def matting_loss(
    found: Matting, coarse: Tensor, alpha: Tensor, foreground: Tensor, known: Tensor, backdrop: Tensor
) -> Tensor:
    """The weighted sum of all terms, about 3.7 where nothing is better than the coarse matte.

    Args:
        found: What the network gives.
        coarse: [n, 1, H, W], 0..1, the coarse matte.
        alpha: [n, 1, H, W], 0..1, the truth.
        foreground: [n, 3, H, W], 0..1, true where alpha is above 0.
        known: [n, 1, H, W], 1 where the truth is known, else 0: there is no error there.
        backdrop: [n, 3, 1, 1] or of full size, 0..1: a background that the photograph did not have.
    """
    alpha = known * alpha + (1 - known) * found.alpha.detach()
    coarse = known * coarse + (1 - known) * alpha
    foreground = known * foreground + (1 - known) * found.foreground.detach()
    seen = (alpha > 0.02).float() * known
    composite, true = (
        a * colours + (1 - a) * backdrop for a, colours in ((found.alpha, found.foreground), (alpha, foreground))
    )
    soft = seen * (0.1 + (alpha < 0.995).float())
    terms = (
        _relative(_absolute, found.alpha, coarse, alpha),
        _relative(_differences, found.alpha, coarse, alpha),
        _relative(_gradients, found.alpha, coarse, alpha, floor=_FLOOR**2),
        _relative(_pyramid, found.alpha, coarse, alpha),
        _mean((composite - true).abs()) / (_mean((coarse - alpha).abs()) + _FLOOR),
        _mean((found.foreground - foreground).abs() * soft) / (_mean(soft) + _FLOOR) * 4,
    )
    return sum((weight * term.mean() for weight, term in zip(_WEIGHTS, terms, strict=True)), alpha.new_zeros(()))


def _relative(
    error: Callable[[Tensor, Tensor], Tensor], found: Tensor, coarse: Tensor, alpha: Tensor, floor: float = _FLOOR
) -> Tensor:
    return error(found, alpha) / (error(coarse, alpha) + floor)


def _mean(values: Tensor) -> Tensor:
    return values.mean(dim=(1, 2, 3))


def _absolute(found: Tensor, alpha: Tensor) -> Tensor:
    return _mean((found - alpha).abs())


def _differences(found: Tensor, alpha: Tensor) -> Tensor:
    error = found - alpha
    return _mean(error.diff(dim=2).abs()) + _mean(error.diff(dim=3).abs())


def _gradients(found: Tensor, alpha: Tensor) -> Tensor:
    """The gradient error of C. Rhemann et al. (CVPR 2009), of vectors instead of magnitudes."""
    x = torch.arange(-4, 5, dtype=alpha.dtype)
    bell = torch.exp(-(x**2) / (2 * _SIGMA_PX**2))
    bell, slope = bell / bell.norm(), -x * bell / (x * bell).norm()
    error = found - alpha
    along = functional.conv2d(functional.conv2d(error, slope.view(1, 1, 1, -1)), bell.view(1, 1, -1, 1))
    down = functional.conv2d(functional.conv2d(error, bell.view(1, 1, 1, -1)), slope.view(1, 1, -1, 1))
    return _mean(along**2 + down**2) / 4


def _pyramid(found: Tensor, alpha: Tensor) -> Tensor:
    error, total = found - alpha, alpha.new_zeros(len(alpha))
    for level in range(_LEVELS):
        smaller = functional.avg_pool2d(error, 2)
        detail = error - functional.interpolate(smaller, scale_factor=2, mode="bilinear", align_corners=False)
        total = total + 1.5**level * _mean(detail.abs())
        error = smaller
    return total + 1.5**_LEVELS * _mean(error.abs())
