"""The network: backbone, context, and three steps up the saliency pyramid."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from tuft_export.architecture import EfficientNetConfig, NetworkConfig, SwinConfig
from tuft_export.inspyrenet.attention import ScaleInvariantContextAttention, resize
from tuft_export.inspyrenet.context import CoarseDecoder, ContextEncoder
from tuft_export.inspyrenet.efficientnet import EfficientNet
from tuft_export.inspyrenet.pyramid import ImagePyramid, Transition
from tuft_export.inspyrenet.swin import SwinTransformer


class SaliencyPyramid(NamedTuple):
    """The predictions of one pass, coarse to fine, all logits [n, 1, h, w].

    Attributes:
        saliency: d3, d2, d1, d0 at 1/8, 1/4, 1/2 and full size.
        laplacian: p2, p1, p0 at 1/4, 1/2 and full size.
    """

    saliency: tuple[Tensor, Tensor, Tensor, Tensor]
    laplacian: tuple[Tensor, Tensor, Tensor]


class InSPyReNet(nn.Module):
    """Salient object detection at any size whose sides are multiples of 32 pixels."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        depth, base_size = config.depth, config.base_size
        self.backbone = _backbone(config.backbone)
        for i, channels in enumerate(config.backbone.channels, start=1):
            self.add_module(f"context{i}", ContextEncoder(channels, depth))
        self.decoder = CoarseDecoder(depth)
        self.attention0 = ScaleInvariantContextAttention(depth, depth, base_size, 0, with_laplacian=True)
        self.attention1 = ScaleInvariantContextAttention(2 * depth, depth, base_size, 1, with_laplacian=True)
        self.attention2 = ScaleInvariantContextAttention(2 * depth, depth, base_size, 2, with_laplacian=False)
        self.image_pyramid = ImagePyramid()
        # Side in pixels of the ellipse in which a finer pass may correct a coarser one (reference: InSPyReNet.py).
        self.transition0 = Transition(17)
        self.transition1 = Transition(9)
        self.transition2 = Transition(5)

    def forward(self, image: Tensor) -> Tensor:
        """One plain pass.

        Args:
            image: float [n, 3, H, W], RGB normalised with `tuft.contract.MEAN` and `STD`.

        Returns:
            Saliency logits [n, 1, H, W].
        """
        return self.pyramid(image).saliency[-1]

    def pyramid(self, image: Tensor) -> SaliencyPyramid:
        """All stages of one pass over `image` (as in `forward`); each stage sees the coarser ones detached."""
        return self.decode(self.backbone(image), _size_hw(image))

    def decode(self, features: list[Tensor], size_hw: tuple[int, int]) -> SaliencyPyramid:
        """All stages from the backbone's five maps of an image of `size_hw` pixels."""
        height, width = size_hw
        x1, x2, x3, x4, x5 = (getattr(self, f"context{i}")(x) for i, x in enumerate(features, start=1))
        f3, d3 = self.decoder(x3, x4, x5)

        quarter_hw, half_hw = (height // 4, width // 4), (height // 2, width // 2)
        f2, p2 = self.attention2(torch.cat([x2, resize(f3, quarter_hw)], dim=1), quarter_hw, d3.detach())
        d2 = self.image_pyramid(d3.detach(), p2)

        f1, p1 = self.attention1(torch.cat([x1, f2], dim=1), half_hw, d2.detach(), p2.detach())
        d1 = self.image_pyramid(d2.detach(), p1)

        _, p0 = self.attention0(f1, size_hw, d1.detach(), p1.detach())
        d0 = self.image_pyramid(d1.detach(), p0)
        return SaliencyPyramid((d3, d2, d1, d0), (p2, p1, p0))

    def blend(self, image: Tensor, image_lr: Tensor) -> Tensor:
        """Pyramid blending: the subject from `image_lr`, its exact edges from `image`.

        The high-resolution pass contributes its Laplacians only where the saliency built so far has an edge
        (paper, section 3.4).

        Args:
            image: float [n, 3, H, W], the working size, normalised as for `forward`.
            image_lr: float [n, 3, base_size, base_size], the same picture.

        Returns:
            Saliency logits [n, 1, H, W].
        """
        coarse = self.pyramid(image_lr).saliency[-1]
        fine = self.pyramid(image)
        d = resize(coarse, _size_hw(fine.saliency[0]))
        for transition, laplacian in zip(
            (self.transition2, self.transition1, self.transition0), fine.laplacian, strict=True
        ):
            edge = resize(transition(d), _size_hw(laplacian))
            d = self.image_pyramid(d, edge * laplacian)
        return d


def _backbone(config: SwinConfig | EfficientNetConfig) -> SwinTransformer | EfficientNet:
    return SwinTransformer(config) if isinstance(config, SwinConfig) else EfficientNet(config)


def _size_hw(x: Tensor) -> tuple[int, int]:
    return (x.shape[-2], x.shape[-1])
