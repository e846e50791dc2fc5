"""A partial pyramid equals the first stages of the full one."""

from __future__ import annotations

import pytest
import torch

from tuft_export.inspyrenet import InSPyReNet, NetworkConfig, SwinConfig
from tuft_training.coarse import partial_pyramid
from tuft_training.losses import pyramid_loss

TINY = NetworkConfig(SwinConfig(8, (2, 2, 2, 2), (1, 1, 2, 2), 4), depth=8, base_size=64)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return InSPyReNet(TINY).eval()


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_equals_the_first_stages(network, stages):
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        whole, part = network.pyramid(image), partial_pyramid(network, network.backbone(image), (64, 96), stages)
    assert len(part.saliency) == stages
    for ours, theirs in zip(part.saliency, whole.saliency[:stages], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    for ours, theirs in zip(part.laplacian, whole.laplacian[: stages - 1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_its_loss_is_the_whole_loss_less_the_finer_stages(network):
    image, alpha = torch.randn(1, 3, 64, 64), torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        features = network.backbone(image)
        pyramids = [partial_pyramid(network, features, (64, 64), k) for k in (1, 2, 3, 4)]
        losses = [float(pyramid_loss(pyramid, alpha, network.image_pyramid)) for pyramid in pyramids]
    assert 0 < losses[0] < losses[1] < losses[2] < losses[3]
