"""A prompt as a layer of a request: the network is shown the part of the photograph that it means."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tuft.errors import PromptError, PromptModelMissingError
from tuft.imaging import pipeline
from tuft.imaging.selection import selected_by_box, selected_by_mask

if TYPE_CHECKING:
    from tuft.imaging.selection import Selection
    from tuft.inference.runner import Runner, RunRequest, RunResult
    from tuft.inference.segmenter import Segmenter
    from tuft.prompts import PromptSet


class PromptedRunner:
    """Cuts out the subject that a prompt means; hands requests without one on.

    Args:
        inner: Cuts out what stands out in a picture.
        segmenter: Finds the mask of points and boxes, if the server has a model for them.
    """

    def __init__(self, inner: Runner, segmenter: Segmenter) -> None:
        self._inner = inner
        self._segmenter = segmenter

    def run(self, request: RunRequest) -> RunResult:
        """See `Runner.run`.

        Raises:
            PromptError: The prompt lies outside of the photograph, or means nothing in it.
            PromptModelMissingError: There are points, and the server has no model that takes them.
        """
        if request.prompt is None:
            return self._inner.run(request)
        request.prompt.require_within(request.photo.size_hw)
        selected = self._selected(request, request.prompt)
        part = pipeline.part_of(request.photo, selected.part)
        result = self._inner.run(replace(request, photo=part, prompt=None, selected=selected))
        matte = pipeline.embedded(result.matte, selected.part, request.photo)
        request.state.note(prompt_agreement=matte.agreement)
        return replace(result, matte=matte)

    def _selected(self, request: RunRequest, prompt: PromptSet) -> Selection:
        size_hw = request.photo.size_hw
        if prompt.mask is not None:
            selected = selected_by_mask(np.where(prompt.mask.inside, np.float32(1), np.float32(-1)), size_hw)
        elif self._segmenter.is_served(request):
            selected = selected_by_mask(self._segmenter.mask(request, prompt).logits, size_hw)
        elif prompt.points is None and prompt.box is not None:
            box = prompt.box
            return selected_by_box((box.x1, box.y1, box.x2, box.y2), size_hw)
        else:
            raise PromptModelMissingError(
                "The server has no model that takes points: publish one with `tuft-export sam2`, or give a box alone."
            )
        if selected is None:
            raise PromptError("The model finds nothing at that prompt: point at the middle of the subject.")
        return selected
