"""EfficientNet-Lite: inverted residual blocks without squeeze-and-excitation, in plain convolutions and ReLU6.

M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019
(arXiv 1905.11946), and TensorFlow's "lite" variants of it (tensorflow/tpu, models/official/efficientnet/lite).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from tuft_export.architecture import ConvStage, EfficientNetConfig

_EPSILON: Final = 1e-3  # TensorFlow's, which the published weights were trained with


class SameConv2d(nn.Module):
    """Convolution padded as TensorFlow's "same", batch normalisation, and ReLU6 unless `linear`.

    For strides of 2 and even sizes "same" pads one pixel more after than before; the published weights expect it.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        padding = kernel_size - stride
        self.uneven = (padding // 2, padding - padding // 2) * 2 if padding % 2 else None
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=0 if self.uneven else padding // 2,
            groups=groups,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=_EPSILON, momentum=0.01)
        self.relu = nn.Identity() if linear else nn.ReLU6()

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, in_channels, H, W] to [n, out_channels, H / stride, W / stride]."""
        if self.uneven:
            x = F.pad(x, self.uneven)
        return self.relu(self.bn(self.conv(x)))  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; plus the input where the shape stays."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.expand = SameConv2d(in_channels, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise = SameConv2d(wide, wide, kernel_size, stride=stride, groups=wide)
        self.project = SameConv2d(wide, out_channels, 1, linear=True)
        self.keeps_shape = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, in_channels, H, W] to [n, out_channels, H / stride, W / stride]."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.keeps_shape else y


class EfficientNet(nn.Module):
    """The backbone: five feature maps of an EfficientNet-Lite, channels as in `config.channels`."""

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__()
        self.stem = SameConv2d(3, config.stem_channels, 3, stride=2)
        self.stages = nn.Sequential()
        channels = config.stem_channels
        for stage in config.stages:
            self.stages.append(_stage(channels, stage))
            channels = stage.channels
        self.taps = config.taps

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps a normalised image [n, 3, H, W] to features at strides 4, 4, 8, 16 and 32.

        The first is the map at stride 2 with each 2×2 square of pixels moved into the channels: nothing is lost, and
        everything that reads it works on a quarter of the positions.
        """
        return self.late(*self.early(image))

    def early(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps at strides 2, 4 and 8: most of the work, and edges and textures that need no further training."""
        to_half, to_quarter, to_eighth = self.taps[:3]
        half = self.stages[: to_half + 1](self.stem(image))
        quarter = self.stages[to_half + 1 : to_quarter + 1](half)
        return half, quarter, self.stages[to_quarter + 1 : to_eighth + 1](quarter)

    def late(self, half: Tensor, quarter: Tensor, eighth: Tensor) -> list[Tensor]:
        """All five maps from the result of `early`."""
        features = [F.pixel_unshuffle(half, 2), quarter, eighth]
        x = eighth
        for i, stage in enumerate(self.stages[self.taps[2] + 1 :], start=self.taps[2] + 1):
            x = stage(x)
            if i in self.taps:
                features.append(x)
        return features


def _stage(in_channels: int, stage: ConvStage) -> nn.Sequential:
    first = InvertedResidual(in_channels, stage.channels, stage.kernel_size, stage.stride, stage.expansion)
    rest = [
        InvertedResidual(stage.channels, stage.channels, stage.kernel_size, 1, stage.expansion)
        for _ in range(stage.repeats - 1)
    ]
    return nn.Sequential(first, *rest)
