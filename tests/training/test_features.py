"""The feature maps in training equal those of the backbone, for every way to compute them."""

from __future__ import annotations

import torch

from tuft_export.architecture import EFFICIENTNET_LITE0
from tuft_export.inspyrenet.efficientnet import EfficientNet
from tuft_training.features import Features, is_late


def test_they_equal_the_backbones() -> None:
    torch.manual_seed(0)
    backbone = EfficientNet(EFFICIENTNET_LITE0).eval()
    images = torch.randn(2, 3, 64, 96)
    features = Features(backbone)
    for ours, theirs in zip(features(images), backbone(images), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert features(images[:1])[4].shape == (1, 320, 2, 3)


def test_only_what_comes_late_gets_gradients() -> None:
    backbone = EfficientNet(EFFICIENTNET_LITE0).eval()
    sum(x.mean() for x in Features(backbone)(torch.randn(1, 3, 64, 64))).backward()
    for name, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == is_late(backbone, name), name
