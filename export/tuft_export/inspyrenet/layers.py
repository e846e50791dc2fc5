"""The two building blocks that every part of the decoder uses."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class Conv2d(nn.Module):
    """Convolution without bias, batch normalisation, optional ReLU; the size stays."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        dilation: int = 1,
        bn: bool = True,
        relu: bool = False,
    ) -> None:
        super().__init__()
        kernel_hw = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        padding_hw = (dilation * (kernel_hw[0] - 1) // 2, dilation * (kernel_hw[1] - 1) // 2)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_hw, padding=padding_hw, dilation=dilation, bias=False)
        nn.init.kaiming_normal_(self.conv.weight)
        self.bn = nn.BatchNorm2d(out_channels) if bn else nn.Identity()
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, in_channels, H, W] to [n, out_channels, H, W]."""
        return self.relu(self.bn(self.conv(x)))  # type: ignore[no-any-return]

    def without_batch_norm(self) -> tuple[Tensor, Tensor]:
        """Weights [out, in, kh, kw] and bias [out] of the convolution that equals this one in evaluation mode."""
        assert isinstance(self.bn, nn.BatchNorm2d)
        assert self.bn.running_mean is not None
        assert self.bn.running_var is not None
        scale = self.bn.weight / torch.sqrt(self.bn.running_var + self.bn.eps)
        return self.conv.weight * scale.reshape(-1, 1, 1, 1), self.bn.bias - self.bn.running_mean * scale


class AxialAttention(nn.Module):
    """Self-attention along one axis, as the published weights have learned it.

    The reference reads NCHW memory in runs of the axis' length without moving that axis to the end. For `h` this
    mixes rows and columns unless the picture is square, where both modes read rows. The weights depend on it.
    """

    def __init__(self, channels: int, axis: Literal["h", "w"]) -> None:
        super().__init__()
        self.axis = axis
        self.query_conv = Conv2d(channels, channels // 8, 1)
        self.key_conv = Conv2d(channels, channels // 8, 1)
        self.value_conv = Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps [n, C, H, W] to the same shape."""
        channels, height, width = x.shape[1:]
        length = height if self.axis == "h" else width
        runs = channels * height * width // length
        query = self.query_conv(x).reshape(-1, runs // 8, length).transpose(1, 2)
        key = self.key_conv(x).reshape(-1, runs // 8, length)
        value = self.value_conv(x).reshape(-1, runs, length)
        attention = torch.softmax(torch.bmm(query, key), dim=-1)
        context = torch.bmm(value, attention.transpose(1, 2)).reshape(-1, channels, height, width)
        attended: Tensor = self.gamma * context + x
        return attended
