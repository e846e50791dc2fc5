"""Graphs of one plain pass at any size, of the demo checkpoint or of the published shape; exported once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _lib.published import checkpoint_of, fingerprint
from tuft_export.checkpoints import load_network

if TYPE_CHECKING:
    from pathlib import Path


def plain_graph(weights: str, size_px: int, folder: Path) -> Path:
    """The ONNX file of a pass that is not blended, in float32, with its weights inside.

    Above the base size this is not what is served: it shows what size costs, the network being the same.

    Args:
        weights: One of `_published.WEIGHTS`.
        size_px: Working size, a multiple of 32.
        folder: Keeps it until the code that exports has changed.
    """
    checkpoint = checkpoint_of(weights, folder)
    path = folder / f"plain-{weights}-{fingerprint(checkpoint)}-{size_px}.onnx"
    if not path.is_file():
        from tuft_export.graphs.onnx_from_torch import ExportOptions, onnx_from_torch

        model = onnx_from_torch(load_network(checkpoint), ExportOptions(size_px, blend=False))
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(model.SerializeToString())
        partial.replace(path)
    return path
