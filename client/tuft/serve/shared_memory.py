"""The shared memory through which Triton's Python backend passes tensors to the model's process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER: Final = Path("/dev/shm")

MIB: Final = 2**20
SALIENCY_BYTES: Final = 4  # FP32
# Measured with Triton 2.51 after single images at every size, in addition to input and output.
OVERHEAD_BYTES: Final = 3 * MIB


def check_shared_memory(sizes: Iterable[int]) -> None:
    """Checks that one image of each size fits; otherwise tritonserver dies without a message.

    Args:
        sizes: The working sizes served, in pixels; each model keeps a region.

    Raises:
        SetupError: There is too little shared memory.
    """
    needed = sum(size * size * (contract.CHANNELS + SALIENCY_BYTES) + OVERHEAD_BYTES for size in sizes)
    status = os.statvfs(FOLDER)
    free = status.f_bavail * status.f_frsize
    if free < needed:
        raise SetupError(
            f"Triton's Python backend needs {needed / MIB:.0f} MiB of shared memory for these sizes and {FOLDER} has "
            f"{free / MIB:.0f} MiB free: start the container with --shm-size=256m, or serve fewer sizes with --sizes."
        )


def remove_regions(prefix: str) -> None:
    """Removes the regions with this name prefix, which a killed server leaves behind."""
    for region in FOLDER.glob(f"{prefix}*"):
        region.unlink(missing_ok=True)
