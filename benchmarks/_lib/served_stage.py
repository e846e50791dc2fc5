"""The matting stage as it is served, in this process."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import tuft_runtime
from tuft_export.publishing.publish import PublishOptions, publish_matting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuft.imaging.refine import Stage


@contextlib.contextmanager
def served_stage() -> Iterator[Stage]:
    """The stage as it is served on a CPU: published for the runtime python, computed in bfloat16, tile by tile."""
    with tempfile.TemporaryDirectory(prefix="tuft-stage-") as folder:
        graph = publish_matting(PublishOptions(Path(folder))) / "model.onnx"
        compiled = tuft_runtime.load(graph, precision="bf16")
        yield lambda tiles: np.stack([compiled.infer(tile) for tile in tiles])
