"""The networks that find the subject: their matte of a photograph at its own size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from tuft.imaging.postprocess import alpha_from_saliency
from tuft.imaging.preprocess import network_image
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.graphs.provider import GraphSource
from tuft_export.parity.ort_session import OrtSession, Saliency

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Plane = NDArray[np.float32]
    Coarse = Callable[[NDArray[np.uint8]], Plane]

SIZE: Final = 1024


def networks(isnet: Path | None) -> Mapping[str, Coarse]:
    """From names to functions from a photograph, uint8 (H, W, 3), to alpha, float32 (H, W)."""
    found = {"demo at 1024": matte_by(demo())}
    return found | ({} if isnet is None else {"IS-Net at 1024": matte_by(_isnet(isnet))})


def matte_by(saliency: Callable[[NDArray[np.uint8]], Plane], size: int = SIZE) -> Coarse:
    """The matte of a network at `size`, the photograph squashed to a square; NoSubjectError if it finds nothing."""

    def coarse(rgb: NDArray[np.uint8]) -> Plane:
        picture, geometry = network_image(rgb, size, "static")
        return alpha_from_saliency(saliency(picture), geometry, reference=False)

    return coarse


def demo(size: int = SIZE) -> Callable[[NDArray[np.uint8]], Plane]:
    """The demo's saliency (S, S) of a picture (S, S, 3)."""
    saliency = Saliency(GraphSource(CHECKPOINTS["demo"]).graph(size, None))
    return lambda picture: saliency(picture[np.newaxis])[0]


def _isnet(path: Path) -> Callable[[NDArray[np.uint8]], Plane]:
    session = OrtSession(path)

    def saliency(picture: NDArray[np.uint8]) -> Plane:
        planes = (picture.astype(np.float32) / 255 - np.float32(0.5)).transpose(2, 0, 1)[np.newaxis]
        return np.asarray(session.run("output", "input", planes), np.float32).reshape(SIZE, SIZE)

    return saliency
