"""The metadata of exported graphs: their network, blending and precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import onnx

# Each value is JSON.
CONFIG_KEY: Final = "tuft.network"  # the network it was exported from, as `NetworkConfig.to_dict`
BLEND_KEY: Final = "tuft.blend"  # whether it blends pyramids
PRECISION_KEY: Final = "tuft.precision"  # absent for fp32
# The precisions that a graph may compute in.
PRECISIONS: Final = ("fp32", "fp16", "bf16")


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The metadata of a graph by key."""
    return {entry.key: entry.value for entry in model.metadata_props}
