"""Scale-invariant context attention (SICA; paper, section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuft_export.inspyrenet.layers import Conv2d


def resize(x: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Bilinear with half-pixel centres, [n, C, H, W] to `size_hw`; nothing at all where the size is right."""
    if (x.shape[-2], x.shape[-1]) == size_hw:
        return x
    return F.interpolate(x, size=size_hw, mode="bilinear", align_corners=False)


class RegionContext(nn.Module):
    """One context vector for each region: its share of the features, summed.

    The sums run over `pooled_size` squared positions, unnormalised: beyond float16's range.
    """

    def __init__(self, pooled_size: int) -> None:
        super().__init__()
        self.pooled_hw = (pooled_size, pooled_size)

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        """Sums features over regions.

        The features are read as [positions, C] without moving the channels last, as the reference does: the
        published weights have learned around it.

        Args:
            x: Features [n, C, H, W].
            regions: Soft region maps [n, k, H, W].

        Returns:
            Context vectors [n, C, k, 1].
        """
        channels = x.shape[1]
        positions = self.pooled_hw[0] * self.pooled_hw[1]
        features = resize(x, self.pooled_hw).reshape(-1, positions, channels)
        weights = resize(regions, self.pooled_hw).flatten(2)
        return torch.bmm(weights, features).transpose(1, 2).unsqueeze(3)


class ScaleInvariantContextAttention(nn.Module):
    """Asks every pixel which of a few regions (foreground, background, in between) it belongs to.

    The regions come from the coarser saliency and, with `with_laplacian`, from its Laplacian.
    """

    def __init__(self, in_channels: int, depth: int, base_size: int, stage: int, *, with_laplacian: bool) -> None:
        super().__init__()
        self.depth = depth
        self.context = RegionContext(base_size >> stage)
        self.conv_query = nn.Sequential(Conv2d(in_channels, depth, 3, relu=True), Conv2d(depth, depth, 3, relu=True))
        self.conv_key = nn.Sequential(Conv2d(in_channels, depth, 1, relu=True), Conv2d(depth, depth, 1, relu=True))
        self.conv_value = nn.Sequential(Conv2d(in_channels, depth, 1, relu=True), Conv2d(depth, depth, 1, relu=True))
        self.conv_out1 = Conv2d(depth, depth, 3, relu=True)
        self.conv_out2 = Conv2d(in_channels + depth, depth, 3, relu=True)
        self.conv_out3 = Conv2d(depth, depth, 3, relu=True)
        self.conv_out4 = Conv2d(depth, 1, 1)
        self.threshold = nn.Parameter(torch.tensor([0.5]))
        if with_laplacian:
            self.lthreshold = nn.Parameter(torch.tensor([0.5]))

    def forward(self, x: Tensor, saliency: Tensor, laplacian: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Refines features and predicts the next Laplacian.

        Args:
            x: Features [n, in_channels, H, W].
            saliency: Coarser saliency logits [n, 1, h, w].
            laplacian: Coarser Laplacian logits [n, 1, h, w], if the module was built for one.

        Returns:
            Features [n, depth, H, W] and Laplacian logits [n, 1, H, W].
        """
        height, width = x.shape[-2:]
        context = self.context(x, self._regions((height, width), saliency, laplacian))
        query = self.conv_query(x).reshape(-1, self.depth, height * width).transpose(1, 2)
        # Scaled here, where a region has one vector, and not the products, which every pixel has.
        key = self.depth**-0.5 * self.conv_key(context).flatten(2)
        value = self.conv_value(context).flatten(2).transpose(1, 2)
        similarity = torch.softmax(torch.bmm(query, key), dim=-1)
        attended = torch.bmm(similarity, value).transpose(1, 2).reshape(-1, self.depth, height, width)
        x = self.conv_out2(torch.cat([x, self.conv_out1(attended)], dim=1))
        x = self.conv_out3(x)
        return x, self.conv_out4(x)

    def _regions(self, size_hw: tuple[int, int], saliency: Tensor, laplacian: Tensor | None) -> Tensor:
        """Soft region maps [n, 3 or 5, H, W]: foreground, background, confusion and the Laplacian's two."""
        p = torch.sigmoid(resize(saliency, size_hw)) - self.threshold
        regions = [torch.clip(p, 0, 1), torch.clip(-p, 0, 1), self.threshold - torch.abs(p)]
        if laplacian is not None:
            q = torch.sigmoid(resize(laplacian, size_hw)) - self.lthreshold
            regions += [torch.clip(q, 0, 1), torch.clip(-q, 0, 1)]
        return torch.cat(regions, dim=1)
