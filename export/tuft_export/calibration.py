"""Networks with random, calibrated weights, for tests and timings without a trained checkpoint.

A freshly initialised InSPyReNet maps every image to the same constant, so that any comparison of two implementations
passes. With batch-norm statistics from a pass over photographs and heads of a sensible scale, every part of the network
affects its output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tuft_export.inspyrenet import InSPyReNet, NetworkConfig
from tuft_export.inspyrenet.layers import AxialAttention
from tuft_export.inspyrenet.swin import WindowAttention

# Logits of about this deviation cover the sigmoid's whole range without saturating it everywhere.
_COARSE_LOGIT_STD = 3.0


def calibrated_network(config: NetworkConfig, images: Tensor, *, seed: int = 0) -> InSPyReNet:
    """A network in evaluation mode with random weights calibrated on `images`.

    Args:
        config: The network's configuration.
        images: float32 [n, 3, H, W], normalised photographs, n at least 2.
        seed: Seed of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = InSPyReNet(config)
        _enliven(network)
    _measure_batch_norm(network, images)
    with torch.no_grad():
        coarse = network.pyramid(images).saliency[0]
        network.decoder.conv5.conv.weight *= _COARSE_LOGIT_STD / coarse.std()
    # The statistics of the finer stages were measured with other coarse maps.
    _measure_batch_norm(network, images)
    return network


def _enliven(network: InSPyReNet) -> None:
    """Randomises parameters that are initialised to 0 or 1, so that a swapped or missing one is detected."""
    for module in network.modules():
        if isinstance(module, AxialAttention):
            nn.init.uniform_(module.gamma, 0.3, 0.9)
        elif isinstance(module, WindowAttention):
            nn.init.normal_(module.relative_position_bias_table, std=0.5)
        elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.6, 1.4)
            nn.init.normal_(module.bias, std=0.2)
    for name, parameter in network.named_parameters():
        if name.endswith("threshold"):
            nn.init.uniform_(parameter, 0.35, 0.65)


@torch.no_grad()
def _measure_batch_norm(network: InSPyReNet, images: Tensor) -> None:
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain average instead of a moving one
    network.pyramid(images)
    network.eval()
