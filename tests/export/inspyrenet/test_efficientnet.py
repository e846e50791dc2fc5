"""The second backbone against the package whose weights it loads."""

from __future__ import annotations

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet as Reference

from tuft_export.architecture import EFFICIENTNET_LITE0, ConvStage, EfficientNetConfig, NetworkConfig
from tuft_export.inspyrenet.efficientnet import EfficientNet
from tuft_training.pretrained import _published, pretrained


def test_its_maps_are_the_references() -> None:
    theirs = Reference.from_name("efficientnet-lite0")
    theirs.load_state_dict(_published())
    theirs.eval()
    ours = pretrained().backbone.eval()
    image = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))

    with torch.no_grad():
        x = theirs._swish(theirs._bn0(theirs._conv_stem(image)))
        blocks = [x := block(x) for block in theirs._blocks]
        features = ours(image)

    expected = [torch.nn.functional.pixel_unshuffle(blocks[0], 2), *(blocks[i] for i in (2, 4, 10, 15))]
    for actual, wanted in zip(features, expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-5, atol=1e-5)
        assert actual.std() > 0.1


@pytest.mark.parametrize("size_hw", [(64, 64), (96, 160)])
def test_five_maps_at_strides_4_4_8_16_32(size_hw: tuple[int, int]) -> None:
    config = EfficientNetConfig(
        8, (ConvStage(1, 8, 1, 1, 3), *(ConvStage(2, 8 * i, 1, 2, 5 if i % 2 else 3) for i in (1, 2, 3, 4)))
    )
    maps = EfficientNet(config).eval()(torch.randn(1, 3, *size_hw))
    assert [tuple(x.shape[1:]) for x in maps] == [
        (channels, size_hw[0] // stride, size_hw[1] // stride)
        for channels, stride in zip(config.channels, (4, 4, 8, 16, 32), strict=True)
    ]


def test_early_and_late_are_the_whole() -> None:
    backbone = EfficientNet(EFFICIENTNET_LITE0).eval()
    image = torch.randn(1, 3, 64, 64)
    for part, whole in zip(backbone.late(*backbone.early(image)), backbone(image), strict=True):
        torch.testing.assert_close(part, whole, rtol=0, atol=0)


def test_its_shape_survives_json() -> None:
    config = NetworkConfig(EFFICIENTNET_LITE0, depth=16, base_size=384)
    assert NetworkConfig.from_dict(config.to_dict()) == config
