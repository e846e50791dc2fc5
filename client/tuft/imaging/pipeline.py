"""From what the server says about a photograph to its alpha and colours: the stages after the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.imaging import postprocess
from tuft.imaging import refine as refinement
from tuft.imaging.pixels import strips
from tuft.operations.cache import Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft.imaging import Photo
    from tuft.inference.fallback import Answer
    from tuft.stopwatch import Stopwatch

REFERENCE_PRESET: Final = "stable"  # scaled as transparent-background does it


def result_from_answer(photo: Photo, answer: Answer, watch: Stopwatch) -> Result:
    """Alpha and colours of `photo`; `watch` learns how long each stage takes.

    Raises:
        NoSubjectError: There is nothing in front.
    """
    reference = answer.preset.name == REFERENCE_PRESET
    with watch.stage("postprocess"):
        alpha = postprocess.alpha_from_saliency(answer.inference.saliency, answer.geometry, reference=reference)
    with watch.stage("refine"):
        if answer.preset.refine != "none":
            alpha = refinement.refine_alpha(photo.rgb, alpha, answer.geometry.size)
        alpha = _with_own_alpha(alpha, photo.alpha)
    with watch.stage("colours"):
        foreground = photo.rgb
        if answer.preset.refine == "edges+colours":
            foreground = refinement.estimate_foreground(photo.rgb, alpha)
    with watch.stage("compose"):
        return Result(postprocess.to_uint8(alpha, reference=reference), foreground)


def _with_own_alpha(alpha: NDArray[np.float32], own: NDArray[np.uint8] | None) -> NDArray[np.float32]:
    """(H, W) alpha in 0..1, made no more opaque than the photograph came (uint8).

    The smaller of the two, not their product: a soft edge that the network has seen as well would fade twice.
    """
    if own is not None:
        for rows in strips(len(own)):
            np.minimum(alpha[rows], own[rows] / np.float32(255), out=alpha[rows])
    return alpha
