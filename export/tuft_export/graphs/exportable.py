"""Wraps the network in the wire contract: uint8 pixels in, saliency out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tuft import contract
from tuft_export.inspyrenet import InSPyReNet


class ServedNetwork(nn.Module):
    """Wraps an InSPyReNet without changing it: normalisation before it, the sigmoid after it.

    Args:
        network: In evaluation mode.
        blend: Run twice, at the working size and at the network's base size, and blend the pyramids.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: InSPyReNet, *, blend: bool) -> None:
        super().__init__()
        self.network = network
        self.blend = blend
        mean, std = torch.tensor(contract.MEAN), torch.tensor(contract.STD)
        # (x / 255 - mean) / std, as one multiplication and one addition.
        self.register_buffer("scale", (1 / (255 * std)).reshape(1, 3, 1, 1))
        self.register_buffer("shift", (-mean / std).reshape(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Maps uint8 [n, S, S, 3] to float32 [n, S, S], the sigmoid of the saliency."""
        # The cast comes first: TensorRT supports uint8 only as an input.
        x = image.to(torch.float32).permute(0, 3, 1, 2) * self.scale + self.shift
        logits = self.network.blend(x, self._at_base_size(x)) if self.blend else self.network(x)
        return torch.sigmoid(logits).squeeze(1)

    def _at_base_size(self, x: Tensor) -> Tensor:
        """Downsamples in two steps, since TensorRT has no antialiased resize: average pooling, then bilinear."""
        base = self.network.config.base_size
        factor = x.shape[-1] // base
        if factor > 1:
            x = F.avg_pool2d(x, factor)
        return F.interpolate(x, size=(base, base), mode="bilinear", align_corners=False)
