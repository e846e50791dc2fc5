"""A compiled graph that maps one image to its saliency, or one tile to its matte."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from tuft_runtime.errors import InferenceError, raised_as
from tuft_runtime.program import Interrupt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuft_runtime.program import Program


class Graph(ABC):
    """A graph that is ready to run, made by `tuft_runtime.load`; not thread-safe."""

    def infer(self, image: NDArray[np.uint8], *, interrupt: Interrupt | None = None) -> NDArray[Any]:
        """Computes the output for one image.

        Args:
            image: uint8 [S, S, 3], RGB, of the graph's working size S; for a matting stage a tile, [T, T, planes].
            interrupt: Ends the computation, from any thread.

        Returns:
            float32 [S, S] in 0..1, or uint8 [T, T, 1]; the caller owns it.

        Raises:
            InferenceError: The computation failed; its `out_of_memory` says whether for lack of memory.
            InterruptedInferenceError: `interrupt` was set.
        """
        with raised_as(InferenceError, "The network failed"):
            return self._infer(image[np.newaxis], interrupt or Interrupt())

    @abstractmethod
    def _infer(self, images: NDArray[np.uint8], interrupt: Interrupt) -> NDArray[Any]:
        """Maps a batch of one, uint8 [1, S, S, 3], to the output without its first axis."""


class FullGraph(Graph):
    """The whole graph, compiled as it is.

    Args:
        program: The graph.
    """

    def __init__(self, program: Program) -> None:
        self.program = program

    def _infer(self, images: NDArray[np.uint8], interrupt: Interrupt) -> NDArray[Any]:
        (output,) = self.program.run([images], interrupt)
        return np.array(output[0])  # OpenVINO uses its memory again
