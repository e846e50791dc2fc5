"""A no-reference quality score: estimates how good an alpha is from alpha itself and the photograph.

The score estimates the soft intersection over union with the true alpha, Σ min(a, t) / Σ max(a, t), from two features:
how much of alpha is neither subject nor background, and how far alpha differs from the alpha that colours suggest.
Other features that were tried add nothing to these (`benchmarks/score.py`, which also fits the coefficients below).

The score detects an uncertain network and misplaced edges. It does not detect a confident mistake along a real edge,
such as a missing tail or a second subject.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Plane = NDArray[np.float32]  # [h, w]
    Planes = NDArray[np.float32]  # [3, h, w]: four times as fast as [h, w, 3]

_SIDE: Final = 320  # long side in pixels at which the features are computed
_WINDOW: Final = (21, 21)  # colours of subject and background are assumed constant within it
# A smaller share of subject or of background counts as none: a blank matte has no quality.
_LEAST_SHARE: Final = 1e-3
# Differences of a few levels of Lab are noise: below this, the estimate is pulled towards background.
_NOISE_SQUARED: Final = np.float32(25.0)

# Fitted by least squares on the log-odds of 1 - soft IoU: `benchmarks/results/score.json`.
INTERCEPT: Final = 0.191
OF_VAGUENESS: Final = 1.241
OF_DISAGREEMENT: Final = 0.609
VAGUENESS_FLOOR: Final = 0.02
DISAGREEMENT_FLOOR: Final = 0.01


@dataclass(frozen=True)
class Features:
    """The features that a score is computed from.

    Attributes:
        subject: Fraction of the picture that is subject, 0..1: the mean of alpha.
        vagueness: Σ 4·a·(1 - a) / Σ a: uncertain area relative to the subject's.
        disagreement: Mean |a - c| over uncertain pixels, weighted by 4·a·(1 - a), where c, 0..1, is the position of the
            pixel's colour between the local mean colours of background and subject.
    """

    subject: float
    vagueness: float
    disagreement: float


def quality_score(alpha: Pixels, rgb: Pixels) -> float:
    """Estimates the soft intersection over union with the true alpha; 0 for an alpha without subject or background.

    Args:
        alpha: uint8 [h, w], 0 is background.
        rgb: uint8 [h, w, 3], the photograph.

    Returns:
        0..1, higher is better; deterministic.
    """
    return score_from_features(features(alpha, rgb))


def score_from_features(found: Features) -> float:
    """The score, 0..1, for the result of `features`."""
    if not _LEAST_SHARE <= found.subject <= 1 - _LEAST_SHARE:
        return 0.0
    log_odds = (
        INTERCEPT
        + OF_VAGUENESS * math.log(found.vagueness + VAGUENESS_FLOOR)
        + OF_DISAGREEMENT * math.log(found.disagreement + DISAGREEMENT_FLOOR)
    )
    return 1 / (1 + math.exp(log_odds))


def features(alpha: Pixels, rgb: Pixels) -> Features:
    """The features of an alpha, uint8 [h, w], of a photograph, uint8 [h, w, 3]."""
    small = reduced(alpha).astype(np.float32) / np.float32(255)
    uncertain = 4 * small * (1 - small)
    area, uncertain_area = float(small.sum()), float(uncertain.sum())
    if not uncertain_area:
        return Features(area / small.size, 0.0, 0.0)
    planes = np.stack(cv2.split(cv2.cvtColor(reduced(rgb), cv2.COLOR_RGB2LAB))).astype(np.float32)
    expected = _alpha_from_colours(small, planes)
    disagreement = float((np.abs(small - expected) * uncertain).sum()) / uncertain_area
    return Features(area / small.size, uncertain_area / area, disagreement)


def reduced(picture: Pixels) -> Pixels:
    """Downsampled to a long side of about 320: the mean of four or nine pixels of each square cell, [h, w, ...]."""
    cell = max(round(max(picture.shape[:2]) / _SIDE), 1)
    step = max(cell // 2, 1)
    sampled = picture[::step, ::step]  # averaging all of 12 megapixels would take longer than everything else
    fold = cell // step
    width, height = max(sampled.shape[1] // fold, 1), max(sampled.shape[0] // fold, 1)
    cropped = np.ascontiguousarray(sampled[: height * fold, : width * fold])
    small: Pixels = cv2.resize(cropped, (width, height), interpolation=cv2.INTER_AREA)
    return small


def _alpha_from_colours(alpha: Plane, colours: Planes) -> Plane:
    """Position of each colour [3, h, w] on the line between the local mean colours of background and subject, 0..1."""
    subject = _mean_colours(colours, alpha)
    background = _mean_colours(colours, 1 - alpha)
    way = subject - background
    length = np.einsum("chw,chw->hw", way, way) + _NOISE_SQUARED
    share: Plane = np.einsum("chw,chw->hw", colours - background, way) / length
    np.clip(share, 0, 1, out=share)
    return share


def _mean_colours(colours: Planes, weight: Plane) -> Planes:
    sums: Planes = np.stack([cv2.blur(plane * weight, _WINDOW) for plane in colours])
    sums /= cv2.blur(weight, _WINDOW) + np.float32(1e-3)
    return sums
