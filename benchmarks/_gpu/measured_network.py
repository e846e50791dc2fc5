"""The networks that `gpu.py` measures: from a checkpoint, or of a known shape with calibrated random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from _gpu.names import NETWORKS
from tuft import contract
from tuft.files import write_atomically
from tuft_export.calibration import calibrated_network
from tuft_export.sample_images import sample_pictures

if TYPE_CHECKING:
    from pathlib import Path

    from tuft_export.inspyrenet import InSPyReNet

# `tiny` is for trying out the script without a GPU.
_CALIBRATION_PX: Final = 384
_CALIBRATION_PICTURES: Final = 2


@dataclass(frozen=True, eq=False)
class MeasuredNetwork:
    """A network, with the graphs and engines made from it.

    Attributes:
        name: Name in tables.
        module: The network in evaluation mode, on the CPU.
        trained: Whether its saliency is meaningful.
        folder: Folder of its graphs and engines.
    """

    name: str
    module: InSPyReNet
    trained: bool
    folder: Path

    def blends(self, size_px: int) -> bool:
        """Whether the served network runs a second, coarse pass at this size, as in exported graphs."""
        return size_px > self.module.config.base_size

    def file(self, size_px: int, precision: str, suffix: str) -> Path:
        """Path of the graph or the engine of a size."""
        return self.folder / f"{self.name}_{size_px}_{precision}.{suffix}"

    def graph(self, size_px: int, precision: str) -> Path:
        """Path of the ONNX graph, which is exported at the first call."""
        import onnx

        from tuft_export.graphs.onnx_from_torch import ExportOptions, onnx_from_torch
        from tuft_export.graphs.precision import with_precision

        path = self.file(size_px, precision, "onnx")
        if not path.exists():
            if precision == "fp32":
                model = onnx_from_torch(self.module, ExportOptions(size_px))
            else:
                model = with_precision(onnx.load(self.graph(size_px, "fp32")), precision)
            write_atomically(path, model.SerializeToString())
        return path


def network_from_shape(name: str, folder: Path) -> MeasuredNetwork:
    """Makes a network with calibrated random weights, the same on every machine: for latency and rounding errors.

    Args:
        name: A key of `NETWORKS`.
        folder: Folder for graphs and engines.
    """
    pictures = torch.from_numpy(sample_pictures(_CALIBRATION_PX, _CALIBRATION_PICTURES)).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (contract.MEAN, contract.STD))
    network = calibrated_network(NETWORKS[name], (pictures / 255 - mean) / std)
    return MeasuredNetwork(name, network, False, folder)


def network_from_checkpoint(name: str, base_size: int | None, folder: Path) -> MeasuredNetwork:
    """Loads the network of a checkpoint.

    Args:
        name: See `tuft_export.checkpoints.checkpoint_from_name`.
        base_size: In pixels, for a `.pth` file.
        folder: Folder for graphs and engines.

    Raises:
        ImportError: A library that reads the checkpoint is not installed.
        CheckpointError: The checkpoint is missing or not the expected one.
    """
    from tuft_export.checkpoints import checkpoint_from_name, load_network

    checkpoint = checkpoint_from_name(name, base_size)
    return MeasuredNetwork(checkpoint.name, load_network(checkpoint), True, folder)
