"""A compiled graph that maps one image to its saliency."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from tuft_runtime.errors import InferenceError, raised_as

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Graph(ABC):
    """A graph that is ready to run, made by `tuft_runtime.load`; not thread-safe."""

    def infer(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Computes the saliency of one image.

        Args:
            image: uint8 [S, S, 3], RGB, of the graph's working size S.

        Returns:
            float32 [S, S] in 0..1; the caller owns it.

        Raises:
            InferenceError: The computation failed; its `out_of_memory` says whether for lack of memory.
        """
        with raised_as(InferenceError, "The network failed"):
            return self._infer(image[np.newaxis])

    @abstractmethod
    def _infer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Maps a batch of one, uint8 [1, S, S, 3], to float32 [S, S]."""


class FullGraph(Graph):
    """The whole graph, compiled as it is.

    Args:
        compiled: An `openvino.CompiledModel`.
    """

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()

    def _infer(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        saliency: NDArray[np.float32] = self._request.infer([images])[0][0]
        return saliency
