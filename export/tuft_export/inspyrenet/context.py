"""Parallel axial attention: the encoder's context modules and the coarse decoder (paper, section 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuft_export.inspyrenet.layers import AxialAttention, Conv2d


class _Branch(nn.Module):
    """One receptive field: separable convolution, attention along both axes, dilated convolution."""

    def __init__(self, in_channels: int, out_channels: int, receptive_size: int) -> None:
        super().__init__()
        self.conv0 = Conv2d(in_channels, out_channels, 1)
        self.conv1 = Conv2d(out_channels, out_channels, (1, receptive_size))
        self.conv2 = Conv2d(out_channels, out_channels, (receptive_size, 1))
        self.conv3 = Conv2d(out_channels, out_channels, 3, dilation=receptive_size)
        self.Hattn = AxialAttention(out_channels, "h")
        self.Wattn = AxialAttention(out_channels, "w")

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.conv1(self.conv0(x)))
        return self.conv3(self.Hattn(x) + self.Wattn(x))  # type: ignore[no-any-return]


class ContextEncoder(nn.Module):
    """PAA_e: one backbone feature map to `depth` channels, seen through four receptive fields."""

    def __init__(self, in_channels: int, depth: int) -> None:
        super().__init__()
        self.branch0 = Conv2d(in_channels, depth, 1)
        self.branch1 = _Branch(in_channels, depth, 3)
        self.branch2 = _Branch(in_channels, depth, 5)
        self.branch3 = _Branch(in_channels, depth, 7)
        self.conv_cat = Conv2d(4 * depth, depth, 3)
        self.conv_res = Conv2d(in_channels, depth, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, in_channels, H, W] to [n, depth, H, W]."""
        fields = torch.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)], dim=1)
        return F.relu(self.conv_cat(fields) + self.conv_res(x))


class CoarseDecoder(nn.Module):
    """PAA_d: the three deepest feature maps to the coarsest saliency."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.conv1 = Conv2d(3 * depth, depth, 3)
        self.conv2 = Conv2d(depth, depth, 3)
        self.conv3 = Conv2d(depth, depth, 3)
        self.conv4 = Conv2d(depth, depth, 3)
        self.conv5 = Conv2d(depth, 1, 3, bn=False)
        self.Hattn = AxialAttention(depth, "h")
        self.Wattn = AxialAttention(depth, "w")

    def forward(self, x3: Tensor, x4: Tensor, x5: Tensor) -> tuple[Tensor, Tensor]:
        """Maps features at strides 8, 16 and 32 to features [n, depth, H/8, W/8] and logits [n, 1, H/8, W/8]."""
        size_hw = x3.shape[-2:]
        x4, x5 = (F.interpolate(x, size=size_hw, mode="bilinear", align_corners=True) for x in (x4, x5))
        features = self.conv1(torch.cat([x5, x4, x3], dim=1))
        features = self.conv2(self.Hattn(features) + self.Wattn(features))
        features = self.conv4(self.conv3(features))
        return features, self.conv5(features)
