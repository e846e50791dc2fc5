"""The shape of a network: frozen values that travel with its checkpoint. Nothing here needs torch."""

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
class NetworkConfig:
    """An InSPyReNet.

    Attributes:
        backbone: The feature extractor.
        depth: Channels of the decoder, a multiple of 8.
        base_size: Side in pixels of the square that SICA pools to. It is part of what the weights have learned,
            not a hint about the input: keep the checkpoint's at every working size.
    """

    backbone: SwinConfig
    depth: int
    base_size: int

    def __post_init__(self) -> None:
        if self.depth % 8:
            raise ValueError(f"The decoder's depth must be a multiple of 8, not {self.depth}.")
        if self.base_size % 32:
            raise ValueError(f"The base size must be a multiple of 32 pixels, not {self.base_size}.")

    def with_base_size(self, base_size: int) -> NetworkConfig:
        """The same network pooling to another base size; the weights' shapes stay."""
        return replace(self, base_size=base_size)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The inverse of `to_dict`."""
        swin = values["backbone"]
        backbone = SwinConfig(swin["embed_dim"], tuple(swin["depths"]), tuple(swin["num_heads"]), swin["window_size"])
        return cls(backbone, values["depth"], values["base_size"])


# The published weights: `ckpt_base.pth`, `ckpt_base_nightly.pth` (base size 1024) and `ckpt_fast.pth` (384).
SWIN_B: Final = NetworkConfig(SwinConfig(128, (2, 2, 18, 2), (4, 8, 16, 32), 12), depth=64, base_size=1024)

# Small enough to ship and to train without a data centre. Windows of 8 tile 1024, 1536 and 2048 without padding.
SMALL: Final = NetworkConfig(SwinConfig(32, (2, 2, 2, 2), (2, 4, 8, 16), 8), depth=16, base_size=384)
