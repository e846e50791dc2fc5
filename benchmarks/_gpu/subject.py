"""The networks that `gpu.py` measures: a checkpoint's, or one of a known shape with calibrated random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from tuft import contract
from tuft_export.architecture import SWIN_B, NetworkConfig, SwinConfig
from tuft_export.calibration import calibrated_network
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from pathlib import Path

    from tuft_export.inspyrenet import InSPyReNet

# `tiny` is for trying the script where there is no GPU.
NETWORKS: Final = {
    "swin-b": SWIN_B,
    "tiny": NetworkConfig(SwinConfig(8, (2, 1, 1, 2), (1, 2, 2, 4), 4), depth=8, base_size=96),
}
_CALIBRATION_PX: Final = 384
_CALIBRATION_PICTURES: Final = 2


@dataclass(frozen=True, eq=False)
class Subject:
    """A network and everything that is made of it once.

    Attributes:
        name: In tables.
        network: In evaluation mode, on the processor.
        trained: Whether its saliency means anything.
        folder: Where its graphs and engines go.
    """

    name: str
    network: InSPyReNet
    trained: bool
    folder: Path

    def blends(self, size_px: int) -> bool:
        """Whether the served network runs twice at this size, as exported graphs do."""
        return size_px > self.network.config.base_size

    def file(self, size_px: int, precision: str, suffix: str) -> Path:
        """Where the graph or the engine of a size goes."""
        return self.folder / f"{self.name}_{size_px}_{precision}.{suffix}"

    def graph(self, size_px: int, precision: str) -> Path:
        """The ONNX graph, exported at the first call."""
        import onnx

        from tuft_export.graphs.onnx_from_torch import ExportOptions, onnx_from_torch
        from tuft_export.graphs.precision import with_precision

        path = self.file(size_px, precision, "onnx")
        if not path.exists():
            if precision == "fp32":
                model = onnx_from_torch(self.network, ExportOptions(size_px))
            else:
                model = with_precision(onnx.load(self.graph(size_px, "fp32")), precision)
            partial = path.with_suffix(".partial")
            partial.write_bytes(model.SerializeToString())
            partial.replace(path)
        return path


def subject_from_shape(name: str, folder: Path) -> Subject:
    """Random weights, calibrated, the same everywhere: for time, and for what rounding does to lively numbers.

    Args:
        name: A key of `NETWORKS`.
        folder: For graphs and engines.
    """
    pictures = torch.from_numpy(sample_pictures(_CALIBRATION_PX, _CALIBRATION_PICTURES)).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (contract.MEAN, contract.STD))
    network = calibrated_network(NETWORKS[name], (pictures / 255 - mean) / std)
    return Subject(name, network, False, folder)


def subject_from_checkpoint(name: str, base_size: int | None, folder: Path) -> Subject:
    """A checkpoint's network.

    Args:
        name: As of `tuft_export.checkpoints.checkpoint_from_name`.
        base_size: In pixels, for a `.pth` file.
        folder: For graphs and engines.

    Raises:
        ImportError: What reads it is not installed.
        CheckpointError: It is not there, or not what it should be.
    """
    from tuft_export.checkpoints import checkpoint_from_name, load_network

    checkpoint = checkpoint_from_name(name, base_size)
    return Subject(checkpoint.name, load_network(checkpoint), True, folder)
