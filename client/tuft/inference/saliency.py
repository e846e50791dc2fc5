"""One preset, one model: resize, network, refine."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tuft.errors import ServerError
from tuft.imaging import pipeline
from tuft.inference.runner import RunRequest, RunResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft.imaging.pipeline import Prepared
    from tuft.inference.retrying import RetryingTransport
    from tuft.inference.transport.base import NetworkInput


class SaliencyRunner:
    """Computes a matte with the model of a request's preset.

    Args:
        inner: Carries the picture to the network.
    """

    def __init__(self, inner: RetryingTransport) -> None:
        self._inner = inner

    def run(self, request: RunRequest) -> RunResult:
        """See `Runner.run`; the photograph is resized once, however often it is sent."""
        prepared: Prepared | None = None

        def picture(network: NetworkInput) -> NDArray[np.uint8]:
            nonlocal prepared
            if prepared is None:
                with request.state.watch.stage("resize"):
                    prepared = pipeline.prepare(request.photo, request.preset, size=network.size, resize=network.resize)
            return prepared.picture

        inference = self._inner.infer(request, picture)
        assert prepared is not None
        finish = partial(
            pipeline.finish,
            request.photo,
            inference.saliency,
            prepared.geometry,
            request.preset,
            watch=request.state.watch,
            selected=request.selected,
        )
        try:
            matte = finish(stage=partial(self._inner.matte, request))
        except ServerError as failure:
            # There is a matte already: its edges are classical.
            reason = f"The edges are classical, without the matting stage: {failure}"
            request.state.note(fallback_reason=reason, fallback_cause=type(failure).__name__)
            matte = finish()
        return RunResult(matte, request.preset, inference.model, inference.version)
