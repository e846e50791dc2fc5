"""A graph computed in this process as the server computes it, with a record of how much was computed in tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

import tuft_runtime
from tuft_runtime import tiled
from tuft_runtime.seams import tile_px
from tuft_runtime.tiled import needed_tiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray


class ServedNetwork:
    """A graph as the runtime `python` computes it.

    Args:
        graph: The ONNX file.
        settings: `precision` and `full_resolution` as in `configs/python.pbtxt`.
        needed: bool [S, S], where the stage at full resolution is computed, instead of where the network is uncertain:
            with random weights, which take the same time as trained ones, it is uncertain nearly everywhere.

    Attributes:
        shares: The share of each picture so far that was computed in tiles.
    """

    def __init__(self, graph: Path, settings: Mapping[str, str], needed: NDArray[np.bool_] | None = None) -> None:
        self.shares: list[float] = []
        self._needed = needed
        self._graph = tuft_runtime.load(
            graph,
            precision=settings.get("precision", "f32"),
            full_resolution=settings.get("full_resolution", "exact"),
        )

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Maps an image uint8 [1, S, S, 3] to its saliency float32 [1, S, S]."""
        with mock.patch.object(tiled, "needed_tiles", self._tiles):
            return self._graph.infer(image[0])[np.newaxis]

    def _tiles(self, uncertain: NDArray[np.bool_], side_px: int) -> NDArray[np.intp]:
        corners = needed_tiles(uncertain if self._needed is None else self._needed, side_px)
        self.shares.append(len(corners) * side_px**2 / uncertain.size)
        return corners


def tiles_share(needed: NDArray[np.bool_]) -> float:
    """The share of a picture that is computed in tiles if the stage is needed in bool [S, S]."""
    side_px = tile_px(len(needed))
    return float(len(needed_tiles(needed, side_px)) * side_px**2 / needed.size)
