"""The feature maps of the backbone during training.

The first layers of a pretrained backbone are frozen and take half of a training step; OpenVINO computes them on a CPU
in a seventh of the time.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from tuft_export.inspyrenet.efficientnet import EfficientNet

if TYPE_CHECKING:
    from torch import Tensor

    from tuft_export.inspyrenet.swin import SwinTransformer


class Features:
    """Maps images to the five feature maps of the backbone, with gradients for its trained layers."""

    def __init__(self, backbone: EfficientNet | SwinTransformer) -> None:
        self.backbone = backbone
        self._compiled: dict[tuple[int, ...], Any] = {}

    def __call__(self, images: Tensor) -> list[Tensor]:
        """The feature maps of normalised images [n, 3, H, W]."""
        if not isinstance(self.backbone, EfficientNet):
            return self.backbone(images)  # type: ignore[no-any-return]
        half, quarter, eighth = self._early(self.backbone, images)
        # Depthwise convolutions are a third faster in channels-last format; the decoder is not.
        features = self.backbone.late(half, quarter, eighth.contiguous(memory_format=torch.channels_last))
        return [x.contiguous() for x in features]

    def _early(self, backbone: EfficientNet, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            if images.device.type != "cpu":
                return backbone.early(images)
            shape = tuple(images.shape)
            if shape not in self._compiled:
                self._compiled[shape] = _compiled(backbone, images)
            half, quarter, eighth = self._compiled[shape](images.numpy()).values()
            return torch.from_numpy(half.copy()), torch.from_numpy(quarter.copy()), torch.from_numpy(eighth.copy())


def is_late(backbone: EfficientNet, parameter: str) -> bool:
    """Whether a parameter, by its name in the backbone, belongs to `backbone.late`."""
    part, _, rest = parameter.partition(".")
    return part == "stages" and int(rest.split(".")[0]) > backbone.taps[2]


class _Early(torch.nn.Module):
    def __init__(self, backbone: EfficientNet) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.backbone.early(images)


def _compiled(backbone: EfficientNet, example: Tensor) -> Any:
    import openvino

    # The converter uses deprecated parts of torch, and does not support autocast.
    with warnings.catch_warnings(), torch.autocast("cpu", enabled=False):
        warnings.simplefilter("ignore")
        model = openvino.convert_model(_Early(backbone).eval(), example_input=example)
    model.reshape(list(example.shape))
    settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    return openvino.compile_model(model, "CPU", settings)
