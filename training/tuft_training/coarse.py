"""Computes only the first stages of a saliency pyramid.

The last stage, at full resolution, takes half of a training step, although the network learns to find subjects in the
coarse stages. Most steps therefore stop early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tuft_export.inspyrenet import InSPyReNet, SaliencyPyramid
from tuft_export.inspyrenet.attention import resize

if TYPE_CHECKING:
    from torch import Tensor


def partial_pyramid(
    network: InSPyReNet, features: list[Tensor], size_hw: tuple[int, int], stages: int
) -> SaliencyPyramid:
    """The first `stages` (1 to 4) maps of `network.decode(...)`, coarse to fine, and their Laplacians.

    Args:
        network: In training mode only the normalisations of computed stages are updated.
        features: The five feature maps of the backbone.
        size_hw: Height and width of the image in pixels.
        stages: 1 ends at an eighth of the size, 2 at a quarter, 3 at half, 4 at full size.
    """
    if stages == 4:
        return network.decode(features, size_hw)
    height, width = size_hw
    x3, x4, x5 = (network.get_submodule(f"context{i}")(x) for i, x in enumerate(features[2:], start=3))
    f3, d3 = network.decoder(x3, x4, x5)
    if stages == 1:
        return SaliencyPyramid((d3,), ())  # type: ignore[arg-type]
    x2 = network.get_submodule("context2")(features[1])
    quarter_hw, half_hw = (height // 4, width // 4), (height // 2, width // 2)
    f2, p2 = network.attention2(torch.cat([x2, resize(f3, quarter_hw)], dim=1), quarter_hw, d3.detach())
    d2 = network.image_pyramid(d3.detach(), p2)
    if stages == 2:
        return SaliencyPyramid((d3, d2), (p2,))  # type: ignore[arg-type]
    x1 = network.get_submodule("context1")(features[0])
    _, p1 = network.attention1(torch.cat([x1, f2], dim=1), half_hw, d2.detach(), p2.detach())
    return SaliencyPyramid((d3, d2, network.image_pyramid(d2.detach(), p1)), (p2, p1))  # type: ignore[arg-type]
