"""Errors of a clip's alpha, as in P. Lin et al., Robust High-Resolution Video Matting, WACV 2022, `evaluation/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuft.imaging.measures import gradient_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def video_measures(
    alphas: Sequence[NDArray[np.float32]], truths: NDArray[np.float32], shots: Sequence[int]
) -> dict[str, float]:
    """The errors of alphas, each (H, W) in 0..1.

    Returns:
        `dtssd`: 100 · the root mean square of the error of the change from frame to frame, over pairs within a shot;
        `mad`: 1000 · the mean absolute error; `gradient`: the mean gradient error, divided by 1000.
    """
    pairs = [index for index in range(1, len(shots)) if shots[index] == shots[index - 1]]
    changes = [(alphas[i] - alphas[i - 1]) - (truths[i] - truths[i - 1]) for i in pairs]
    return {
        "dtssd": 100 * float(np.mean([np.sqrt(np.mean(np.square(change))) for change in changes])),
        "mad": 1000 * float(np.mean([np.abs(one - truth).mean() for one, truth in zip(alphas, truths, strict=True)])),
        "gradient": float(np.mean([gradient_error(one, truth) for one, truth in zip(alphas, truths, strict=True)])),
    }
