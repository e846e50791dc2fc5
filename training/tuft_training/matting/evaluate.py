"""Measures the matting stage on held-out patches, as ratios to the errors of the coarse matte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch

from tuft_training.matting.patches import INPUTS

if TYPE_CHECKING:
    from pathlib import Path

    from tuft_export.matting.network import MattingNetwork
    from tuft_training.scenery.arrays import Field

_SIGMA_PX: Final = 1.4
_LEAST_ERROR: Final = 0.002  # of a patch worth measuring: the mean over its pixels


@torch.no_grad()
def held_out_ratios(network: MattingNetwork, folder: Path, limit: int = 20) -> dict[str, float]:
    """Means over pictures of `sad` and `gradient` relative to the coarse matte; the same of the classical estimate.

    Args:
        network: In evaluation mode.
        folder: Patches, one file per picture.
        limit: The most pictures.
    """
    ratios = []
    for path in sorted(folder.glob("*.npy"))[:limit]:
        several = np.load(path)[::3]
        planes = torch.from_numpy(several[..., :INPUTS].transpose(0, 3, 1, 2).copy()).float() / 255
        alphas = network(planes).alpha.clamp(0, 1).numpy()[:, 0]
        truth, coarse, refined = (several[..., i].astype(np.float32) / 255 for i in (INPUTS, 3, 5))
        if not several[..., -1].all() or np.abs(coarse - truth).mean() < _LEAST_ERROR:
            continue
        base = np.array(_errors(coarse, truth))
        ratios.append(np.concatenate([_errors(alphas, truth) / base, _errors(refined, truth) / base]))
    names = ("sad", "gradient", "classical_sad", "classical_gradient")
    return dict(zip(names, np.mean(ratios, axis=0).tolist(), strict=True))


def _errors(alphas: Field, truths: Field) -> tuple[float, float]:
    gradient = sum(float(((_magnitude(a) - _magnitude(t)) ** 2).sum()) for a, t in zip(alphas, truths, strict=True))
    return float(np.abs(alphas - truths).sum()), gradient


def _magnitude(alpha: Field) -> Field:
    x = np.arange(-4, 5, dtype=np.float32)
    bell = np.exp(-(x**2) / (2 * _SIGMA_PX**2))
    bell, slope = bell / np.linalg.norm(bell), -x * bell / np.linalg.norm(x * bell)
    magnitude: Field = np.hypot(cv2.sepFilter2D(alpha, -1, slope, bell), cv2.sepFilter2D(alpha, -1, bell, slope))
    return magnitude
