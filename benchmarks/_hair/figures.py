"""Errors of one cut-out, and their ratios over several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from tuft.imaging.measures import edge_sharpness, error_maps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _lib.cases import Case
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

MEASURES: Final = {
    "sad": "SAD",
    "gradient": "gradient error",
    "sharpness": "edge sharpness",
    "composite": "composite error in the band",
}
_WORSE_IF_SMALLER: Final = ("sharpness",)
_BACKDROPS: Final = ((255, 255, 255), (0, 0, 0), (0, 177, 64))
_DRAWS: Final = 2000


def errors(case: Case, alpha: Plane, foreground: NDArray[np.uint8]) -> dict[str, float]:
    """`MEASURES` of a cut-out, of which edge sharpness alone is better when it is larger.

    Composite error is what a customer sees: the mean difference from the truth over white, black and green, in levels,
    where the true alpha is between 0.02 and 0.98.
    """
    maps = error_maps(alpha, case.alpha)
    band = (case.alpha > 0.02) & (case.alpha < 0.98)
    near = cv2.dilate(band.view(np.uint8), np.ones((21, 21), np.uint8)).view(np.bool_)
    return {
        "sad": float(maps.absolute.sum()),
        "gradient": float(maps.gradient.sum()),
        "sharpness": edge_sharpness(alpha, case.alpha, near),
        "composite": composite_error(case, alpha[band], foreground[band], band),
    }


def composite_error(case: Case, alpha: Plane, colours: NDArray[np.uint8], band: NDArray[np.bool_]) -> float:
    """The mean over three backdrops of |a·F + (1 − a)·B − truth| of the pixels of `band`, 0..255.

    Args:
        case: Knows the truth.
        alpha: float32 (n,), of the band's pixels.
        colours: uint8 (n, 3), of the band's pixels.
        band: bool (H, W).
    """
    truth = case.alpha[band][:, None]
    painted = alpha[:, None] * colours - truth * case.foreground[band]
    through = truth - alpha[:, None]
    return float(
        np.mean([np.abs(painted + through * np.asarray(backdrop, np.float32)).mean() for backdrop in _BACKDROPS])
    )


def summary(key: str, ratios: NDArray[np.float64], names: Sequence[str]) -> dict[str, Any]:
    """Mean of ratios with its 95 % bootstrap interval, the worst picture, and each."""
    draws = np.random.default_rng(0).choice(ratios, (_DRAWS, len(ratios))).mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    worst = int(ratios.argmin() if key in _WORSE_IF_SMALLER else ratios.argmax())
    return {
        "mean": round(float(ratios.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "worst": round(float(ratios[worst]), 4),
        "worst_of": names[worst],
        "each": {name: round(float(ratio), 4) for name, ratio in zip(names, ratios, strict=True)},
    }
