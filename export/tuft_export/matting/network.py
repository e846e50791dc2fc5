"""A network that starts from classical estimates of alpha and corrects them; it also gives the subject's own colours.

Guided by a coarse matte as in Q. Yu et al., Mask Guided Matting via Progressive Refinement Network (CVPR 2021), with
alpha and foreground from one decoder as in M. Forte and F. Pitié, F, B, Alpha Matting (arXiv 2003.07711). Our
additions: classical estimates and their trust are inputs, and the output is a correction of the best of them in logits.
Most of the work is done at half and quarter size; at full size there are only three thin convolutions.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from tuft import contract
from tuft_export.matting.architecture import MattingConfig

if TYPE_CHECKING:
    from torch import Tensor

# Alpha of 0 and 1 has no logit: the estimate is kept this far from both, and the result is stretched back.
MARGIN: Final = 1 / 128
COARSE: Final = contract.MATTING_PLANES.index("coarse")
REFINED: Final = contract.MATTING_PLANES.index("refined")  # the plane that is corrected


class Matting(NamedTuple):
    """What the network gives.

    Attributes:
        alpha: [n, 1, H, W], about 0..1, not clipped.
        foreground: [n, 3, H, W], about 0..1, not clipped.
    """

    alpha: Tensor
    foreground: Tensor


class MattingNetwork(nn.Module):
    """A U-Net on tiles whose sides are multiples of 16."""

    def __init__(self, config: MattingConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MattingConfig()
        widths = config.widths
        planes = config.inputs + 1
        self.stem = _convolution(4 * planes, widths[0])
        self.down = nn.ModuleList(_convolution(a, b, stride=2) for a, b in itertools.pairwise(widths))
        self.encode = nn.ModuleList(_Residual(width) for width in widths)
        self.deepest = _Residual(widths[-1])
        self.up = nn.ModuleList(_convolution(b, a, side=1) for a, b in itertools.pairwise(widths))
        self.decode = nn.ModuleList(_Residual(width) for width in widths[:-1])
        self.widen = nn.Conv2d(widths[0], 4 * config.head, 1)
        self.full = nn.Sequential(
            _convolution(config.head + planes, config.head), _convolution(config.head, config.head)
        )
        self.last = nn.Conv2d(config.head, 4, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, planes: Tensor) -> Matting:
        """Alpha and foreground of tiles, [n, inputs, H, W] in 0..1."""
        coarse, refined = planes[:, COARSE : COARSE + 1], planes[:, REFINED : REFINED + 1]
        centred = torch.cat([planes - 0.5, 4 * coarse * (1 - coarse)], dim=1)
        x = self.stem(functional.pixel_unshuffle(centred, 2))
        skips = []
        for i, block in enumerate(self.encode):
            x = block(self.down[i - 1](x) if i else x)
            skips.append(x)
        x = self.deepest(x)
        for i in reversed(range(len(self.decode))):
            x = functional.interpolate(self.up[i](x), scale_factor=2, mode="nearest")
            x = self.decode[i](x + skips[i])
        x = functional.pixel_shuffle(self.widen(x), 2)
        correction = self.last(self.full(torch.cat([x, centred], dim=1)))
        kept = MARGIN + (1 - 2 * MARGIN) * refined
        logits = torch.log(kept / (1 - kept)) + correction[:, :1]
        alpha = (torch.sigmoid(logits) - MARGIN) / (1 - 2 * MARGIN)
        return Matting(alpha, planes[:, :3] + correction[:, 1:])


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


def _convolution(inputs: int, outputs: int, *, side: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class ServedMatting(nn.Module):
    """Wraps the network in the wire contract: uint8 tiles in, uint8 alpha out."""

    def __init__(self, network: MattingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, tiles: Tensor) -> Tensor:
        """Maps uint8 [n, T, T, 9] to uint8 [n, T, T, 1]."""
        planes = tiles.to(torch.float32).permute(0, 3, 1, 2) * (1 / 255)
        levels = self.network(planes).alpha.clamp(0, 1) * 255 + 0.5
        served: Tensor = levels.to(torch.uint8).permute(0, 2, 3, 1)
        return served
