"""Rescales the convolutions that read the context vectors of SICA: for float16, and for another base size.

The context vectors are sums over base_size² positions, not means. The batch norms after the convolutions that read them
therefore have variances far beyond float16 (65,504). Scaling such a convolution by s, its running mean by s and its
running variance by s² is equivalent, except for the epsilon of the batch norm.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import torch

from tuft_export.inspyrenet import InSPyReNet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

_LARGEST_VARIANCE: Final = 1e4


@torch.no_grad()
def rebased(network: InSPyReNet, base_size: int) -> InSPyReNet:
    """A copy of the network for another base size that computes nearly the same and can be trained further.

    Args:
        network: Trained at its own base size.
        base_size: The new one in pixels, a multiple of 32.
    """
    copy = InSPyReNet(network.config.with_base_size(base_size))
    copy.load_state_dict(network.state_dict())
    growth = (base_size / network.config.base_size) ** 2
    for weight, mean, variance in _context_readers(copy):
        natural = math.sqrt(2 / weight[0].numel()) / (float(weight.std()) or 1.0)  # as initialised
        weight.mul_(natural)
        mean.mul_(natural * growth)
        variance.mul_((natural * growth) ** 2)
    return copy.train(network.training)


@torch.no_grad()
def balanced(network: InSPyReNet) -> InSPyReNet:
    """An equivalent copy of the network whose running variances fit into float16."""
    copy = InSPyReNet(network.config)
    copy.load_state_dict(network.state_dict())
    for weight, mean, variance in _context_readers(copy):
        scale = math.sqrt(_LARGEST_VARIANCE / max(float(variance.max()), _LARGEST_VARIANCE))
        weight.mul_(scale)
        mean.mul_(scale)
        variance.mul_(scale**2)
    return copy.train(network.training)


def _context_readers(network: InSPyReNet) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Weight, running mean and running variance of each convolution that reads context vectors."""
    state = network.state_dict()
    for i in range(3):
        for reader in ("conv_key", "conv_value"):
            name = f"attention{i}.{reader}.0"
            yield state[f"{name}.conv.weight"], state[f"{name}.bn.running_mean"], state[f"{name}.bn.running_var"]
