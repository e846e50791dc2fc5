"""A checkpoint's network in this process, as fast as the server's."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from tuft_export.graphs.exportable import ServedNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuft_export.inspyrenet import InSPyReNet


def compiled(network: InSPyReNet, size_px: int, *, blend: bool) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """The saliency [S, S], 0..1, of a picture uint8 [S, S, 3], in OpenVINO and float32."""
    import openvino

    example = torch.zeros(1, size_px, size_px, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter uses what torch has deprecated
        model = openvino.convert_model(ServedNetwork(network, blend=blend).eval(), example_input=example)
    model.reshape(list(example.shape))
    served = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda picture: np.asarray(served(picture[None])[0])[0]
