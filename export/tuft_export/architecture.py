"""Network configurations: frozen values that are stored with checkpoints. This module does not need torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final


@dataclass(frozen=True)
class SwinConfig:
    """A Swin transformer of four stages.

    Attributes:
        embed_dim: Channels of the first stage; each later stage doubles them.
        depths: Blocks per stage; odd blocks attend in shifted windows.
        num_heads: Attention heads per stage; each must divide that stage's channels.
        window_size: Side of the attention windows in tokens.
    """

    embed_dim: int
    depths: tuple[int, int, int, int]
    num_heads: tuple[int, int, int, int]
    window_size: int

    @property
    def channels(self) -> tuple[int, int, int, int, int]:
        """Channels of the five feature maps at strides 4 (patches), 4, 8, 16, 32."""
        e = self.embed_dim
        return (e, e, 2 * e, 4 * e, 8 * e)


@dataclass(frozen=True)
class ConvStage:
    """A run of inverted residual blocks of one width.

    Attributes:
        expansion: Factor by which a block widens its channels inside.
        channels: Output channels.
        repeats: Blocks.
        stride: Of the first block, 1 or 2.
        kernel_size: Side of the depthwise kernels in pixels.
    """

    expansion: int
    channels: int
    repeats: int
    stride: int
    kernel_size: int


@dataclass(frozen=True)
class EfficientNetConfig:
    """An EfficientNet-Lite.

    Attributes:
        stem_channels: Of the first convolution, at stride 2.
        stages: The stages after it, down to stride 32.
    """

    stem_channels: int
    stages: tuple[ConvStage, ...]

    @property
    def taps(self) -> tuple[int, ...]:
        """The last stage at each of the strides 2, 4, 8, 16 and 32, by index."""
        return (*(i - 1 for i, stage in enumerate(self.stages) if stage.stride == 2), len(self.stages) - 1)

    @property
    def channels(self) -> tuple[int, int, int, int, int]:
        """Channels of the five feature maps at strides 4 (of the map at stride 2, unshuffled), 4, 8, 16, 32."""
        c2, c4, c8, c16, c32 = (self.stages[i].channels for i in self.taps)
        return (4 * c2, c4, c8, c16, c32)


@dataclass(frozen=True)
class NetworkConfig:
    """An InSPyReNet.

    Attributes:
        backbone: The feature extractor.
        depth: Channels of the decoder, a multiple of 8.
        base_size: Side in pixels of the square that SICA pools to. The weights were trained with it: keep the
            checkpoint's value at every working size.
    """

    backbone: SwinConfig | EfficientNetConfig
    depth: int
    base_size: int

    def __post_init__(self) -> None:
        if self.depth % 8:
            raise ValueError(f"The decoder's depth must be a multiple of 8, not {self.depth}.")
        if self.base_size % 32:
            raise ValueError(f"The base size must be a multiple of 32 pixels, not {self.base_size}.")

    def with_base_size(self, base_size: int) -> NetworkConfig:
        """The same network with another base size; the shapes of its weights do not change."""
        return replace(self, base_size=base_size)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The inverse of `to_dict`."""
        return cls(_backbone_from_dict(values["backbone"]), values["depth"], values["base_size"])


def _backbone_from_dict(values: dict[str, Any]) -> SwinConfig | EfficientNetConfig:
    if "stages" in values:
        return EfficientNetConfig(values["stem_channels"], tuple(ConvStage(**stage) for stage in values["stages"]))
    return SwinConfig(values["embed_dim"], tuple(values["depths"]), tuple(values["num_heads"]), values["window_size"])


# The published weights: `ckpt_base.pth`, `ckpt_base_nightly.pth` (base size 1024) and `ckpt_fast.pth` (384).
SWIN_B: Final = NetworkConfig(SwinConfig(128, (2, 2, 18, 2), (4, 8, 16, 32), 12), depth=64, base_size=1024)

# Small enough to ship, and to train on one machine. Windows of 8 tile 1024, 1536 and 2048 without padding.
SMALL: Final = NetworkConfig(SwinConfig(32, (2, 2, 2, 2), (2, 4, 8, 16), 8), depth=16, base_size=384)

EFFICIENTNET_LITE0: Final = EfficientNetConfig(
    stem_channels=32,
    stages=(
        ConvStage(1, 16, 1, 1, 3),
        ConvStage(6, 24, 2, 2, 3),
        ConvStage(6, 40, 2, 2, 5),
        ConvStage(6, 80, 3, 2, 3),
        ConvStage(6, 112, 3, 1, 5),
        ConvStage(6, 192, 4, 2, 5),
        ConvStage(6, 320, 1, 1, 3),
    ),
)

# The network of the checkpoint `demo`: its backbone is pretrained, so that training takes an hour, not days.
DEMO: Final = NetworkConfig(EFFICIENTNET_LITE0, depth=16, base_size=384)
