"""Scale-invariant context attention (SICA; paper, section 3.2)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuft_export.inspyrenet.layers import Conv2d


def resize(x: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Bilinear with half-pixel centres, [n, C, H, W] to `size_hw`; unchanged where the size is right."""
    if (x.shape[-2], x.shape[-1]) == size_hw:
        return x
    return F.interpolate(x, size=size_hw, mode="bilinear", align_corners=False)


class RegionContext(nn.Module):
    """One context vector for each region: its share of the features, summed.

    The sums run over `pooled_size` squared positions, unnormalised: beyond float16's range.

    The reference resizes the features to the working size and then to the pooled one, and reads them there as
    [positions, C] without moving the channels last: the published weights have learned around it. Such a row of C
    numbers is one stretch, or a few, of one channel's rows. So only the rows are resized before the sum, and the
    columns after it, when there are few left: resizing is linear, and columns and rows do not meet.

    Args:
        channels: Of the features, C.
        pooled_size: In pixels.
    """

    own_stretch: Tensor
    own_part: Tensor

    def __init__(self, channels: int, pooled_size: int) -> None:
        super().__init__()
        self.pooled_size = pooled_size
        self.stretch = math.gcd(channels, pooled_size)  # the longest that neither a row nor a position cuts
        stretches, parts = pooled_size // self.stretch, channels // self.stretch
        self.register_buffer("own_stretch", torch.eye(stretches).unsqueeze(2), persistent=False)
        self.register_buffer("own_part", torch.eye(parts).unsqueeze(1), persistent=False)

    def forward(self, features: Tensor, size_hw: tuple[int, int], regions: Tensor) -> Tensor:
        """Sums features over regions.

        Args:
            features: [n, C, h, w], of the working size or smaller.
            size_hw: The working size, H and W.
            regions: Soft region maps [n, k, H, W].

        Returns:
            Context vectors [n, C, k, 1].
        """
        channels, width = features.shape[1], features.shape[3]
        size, stretches, parts = self.pooled_size, self.own_stretch.shape[0], self.own_part.shape[0]
        rows = resize(resize(features, (size_hw[0], width)), (size, width)).reshape(-1, channels * size, width)
        # One sum for each region, each part of its vector, and each place in the rows where that part may lie.
        count = regions.shape[1] * parts * stretches
        shares = resize(regions, (size, size)).reshape(-1, regions.shape[1], 1, size * size, 1) * self.own_part
        shares = shares.reshape(-1, count // stretches, channels * size, stretches)
        sums = torch.bmm(shares.transpose(2, 3).reshape(-1, count, channels * size), rows).unsqueeze(2)
        sums = resize(resize(sums, (1, size_hw[1])), (1, size))
        # These are sums of whole rows: of each, the stretch that lies in its own place.
        sums = sums.reshape(-1, count // stretches, stretches, stretches, self.stretch) * self.own_stretch
        return sums.sum(dim=(2, 3)).reshape(-1, regions.shape[1], channels).transpose(1, 2).unsqueeze(3)


class ScaleInvariantContextAttention(nn.Module):
    """Relates every pixel to a few regions (foreground, background, in between).

    The regions come from the coarser saliency and, with `with_laplacian`, from its Laplacian.
    """

    neighbours: Tensor

    def __init__(self, in_channels: int, depth: int, base_size: int, stage: int, *, with_laplacian: bool) -> None:
        super().__init__()
        self.depth = depth
        self.context = RegionContext(in_channels, base_size >> stage)
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
        self.register_buffer("neighbours", _neighbours(5 if with_laplacian else 3), persistent=False)

    def forward(
        self, features: Tensor, size_hw: tuple[int, int], saliency: Tensor, laplacian: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Refines features and predicts the next Laplacian.

        Args:
            features: [n, in_channels, h, w], of the size H, W or smaller; they are resized to it.
            size_hw: H and W.
            saliency: Coarser saliency logits [n, 1, h', w'].
            laplacian: Coarser Laplacian logits [n, 1, h', w'], if the module was built for one.

        Returns:
            Features [n, depth, H, W] and Laplacian logits [n, 1, H, W].
        """
        context = self.context(features, size_hw, self._regions(size_hw, saliency, laplacian))
        x = resize(features, size_hw)
        attended = self._attended(self._similarity(x, context), self.conv_value(context).flatten(2))
        x = self.conv_out2(torch.cat([x, attended], dim=1))
        x = self.conv_out3(x)
        return x, self.conv_out4(x)

    def _similarity(self, x: Tensor, context: Tensor) -> Tensor:
        """Membership of each pixel in each region: [n, k, H, W], which sums to 1 over k."""
        query = self.conv_query(x).permute(0, 2, 3, 1)
        # The regions' vectors are scaled, not the products, of which every pixel has one.
        key = self.depth**-0.5 * self.conv_key(context).flatten(2).unsqueeze(1)
        return torch.softmax(torch.matmul(query, key), dim=-1).permute(0, 3, 1, 2)

    def _attended(self, similarity: Tensor, value: Tensor) -> Tensor:
        """`conv_out1` of each pixel's mixture of the regions' values: [n, depth, H, W].

        A convolution of a mixture of k vectors is one of the k shares, with weights of each picture's own: a twelfth
        of the operations for k = 5 and 64 channels.

        Args:
            similarity: As from `_similarity`.
            value: [n, depth, k].
        """
        if self.training:  # batch norm needs the convolution's own output
            mixture = torch.matmul(similarity.permute(0, 2, 3, 1), value.transpose(1, 2).unsqueeze(1))
            return self.conv_out1(mixture.permute(0, 3, 1, 2))  # type: ignore[no-any-return]
        weight, bias = self.conv_out1.without_batch_norm()
        by_tap = weight.permute(0, 2, 3, 1).reshape(-1, weight.shape[1])
        by_share = torch.matmul(by_tap, value).reshape(-1, weight.shape[0], self.neighbours.shape[0])
        shares = F.conv2d(similarity, self.neighbours, padding=1).permute(0, 2, 3, 1)
        attended = torch.matmul(shares, by_share.transpose(1, 2).unsqueeze(1)) + bias
        return F.relu(attended).permute(0, 3, 1, 2)

    def _regions(self, size_hw: tuple[int, int], saliency: Tensor, laplacian: Tensor | None) -> Tensor:
        """Soft region maps [n, 3 or 5, H, W]: foreground, background, confusion and the Laplacian's two."""
        p = torch.sigmoid(resize(saliency, size_hw)) - self.threshold
        regions = [torch.clip(p, 0, 1), torch.clip(-p, 0, 1), self.threshold - torch.abs(p)]
        if laplacian is not None:
            q = torch.sigmoid(resize(laplacian, size_hw)) - self.lthreshold
            regions += [torch.clip(q, 0, 1), torch.clip(-q, 0, 1)]
        return torch.cat(regions, dim=1)


def _neighbours(channels: int) -> Tensor:
    """The 3×3 neighbourhood as a convolution: weights [9 · channels, channels, 3, 3], taps first, then channels."""
    return torch.eye(9 * channels).reshape(9 * channels, 3, 3, channels).permute(0, 3, 1, 2).contiguous()
