"""The choices of the command line; without torch, so that `--help` answers anywhere."""

from __future__ import annotations

from typing import Final

from tuft_export.architecture import SWIN_B, NetworkConfig, SwinConfig

PRECISIONS: Final = ("fp32", "fp16", "bf16")
RUNTIMES: Final = ("eager", "compile", "onnxruntime", "tensorrt")
NETWORKS: Final = {
    "swin-b": SWIN_B,
    "tiny": NetworkConfig(SwinConfig(8, (2, 1, 1, 2), (1, 2, 2, 4), 4), depth=8, base_size=96),
}
