"""A graph asked on the processor, and how far two answers agree: what every proof begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuft import contract

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray


class Saliency:
    """A graph in ONNX Runtime on the CPU: uint8 [n, S, S, 3] to float32 [n, S, S]."""

    def __init__(self, model: onnx.ModelProto) -> None:
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), providers=providers)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The answer to a batch."""
        saliency: NDArray[np.float32] = self._session.run([contract.OUTPUT_NAME], {contract.INPUT_NAME: images})[0]
        return saliency


def mask_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks; 1 where nothing is in front in both."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0
