"""Candidate predictors of the quality of an alpha: everything tried for `tuft.imaging.quality_score`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tuft.imaging.measures import soft_iou
from tuft.imaging.quality_score import features, reduced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Plane = NDArray[np.float32]


def candidates(alpha: Pixels, rgb: Pixels, coarse: Pixels) -> dict[str, float]:
    """Computes all candidates for one picture, by name.

    Args:
        alpha: uint8 [h, w], the alpha to judge.
        rgb: uint8 [h, w, 3], the photograph.
        coarse: uint8 [h, w], the alpha of a pass at a lower resolution.
    """
    small = reduced(alpha).astype(np.float32) / 255
    return {
        **asdict(features(alpha, rgb)),
        **_of_uncertainty(small),
        **_of_shape(small),
        "passes agree": soft_iou(small, reduced(coarse).astype(np.float32) / 255),
        "edges on the photograph's": _edge_correlation(small, reduced(rgb)),
    }


def _of_uncertainty(alpha: Plane) -> dict[str, float]:
    uncertain = ((alpha > 0.1) & (alpha < 0.9)).astype(np.uint8)
    wide = cv2.erode(uncertain, np.ones((5, 5), np.uint8))
    area = float(alpha.sum()) or 1.0
    outline = float(_slope(alpha).sum()) or 1.0
    return {
        "uncertain share": float(uncertain.mean()),
        "uncertain beyond edges": float(wide.sum()) / area,
        "faint share": float(alpha[alpha < 0.5].sum()) / area,
        "edge width": float((4 * alpha * (1 - alpha)).sum()) / outline,
    }


def _of_shape(alpha: Plane) -> dict[str, float]:
    count, _, measured, _ = cv2.connectedComponentsWithStats((alpha > 0.5).astype(np.uint8))
    areas = measured[1:, cv2.CC_STAT_AREA] if count > 1 else np.zeros(1)
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    return {
        "border covered": float(border.mean()),
        "pieces": float((areas > 4).sum()),
        "outside the largest piece": 1 - float(areas.max()) / max(float(areas.sum()), 1.0),
        "outline by size": float(_slope(alpha).sum()) / (float(np.sqrt(alpha.sum())) or 1.0),
    }


def _edge_correlation(alpha: Plane, rgb: Pixels) -> float:
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    ours, theirs = _slope(alpha), sum((_slope(plane) for plane in cv2.split(lab)), np.zeros_like(alpha))
    norm = float(np.sqrt(np.square(ours).sum() * np.square(theirs).sum()))
    return float((ours * theirs).sum()) / norm if norm else 0.0


def _slope(plane: Plane) -> Plane:
    across, down = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=1 / 8)
    slope: Plane = cv2.magnitude(across, down)
    return slope
