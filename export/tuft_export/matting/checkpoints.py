"""Weights of the matting stage: safetensors, with the network's shape in the metadata.

Only `load_matting` and `save_matting` need torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tuft.files import file_hash, write_atomically
from tuft_export.errors import CheckpointError
from tuft_export.matting.architecture import MattingConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft.provenance import Link
    from tuft_export.matting.network import MattingNetwork

# The weights that ship with tuft.
SHIPPED: Final = Path(__file__).with_name("matting.safetensors")
SHIPPED_SHA256: Final = "4f08ebb444610cb873d02ef7e93e8c7f6627975b3c010560dc55c49d7060e6f7"
_UNUSED: Final = "num_batches_tracked"


class MattingWeights(NamedTuple):
    """Weights by state-dict key, all float32, and the shape of their network."""

    arrays: dict[str, NDArray[np.float32]]
    config: MattingConfig


def read_weights(path: Path) -> MattingWeights:
    """The weights of a file that `save_matting` wrote.

    Raises:
        CheckpointError: The file is missing, damaged, or not of a matting stage.
    """
    import numpy as np
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            stated = json.loads((file.metadata() or {})["tuft.matting"])
            arrays = {key: file.get_tensor(key).astype(np.float32) for key in file.keys()}  # noqa: SIM118 (no mapping)
        return MattingWeights(arrays, MattingConfig.from_dict(stated))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as exc:
        raise CheckpointError(f"{path} holds no weights of a matting stage ({exc}): install tuft again.") from exc


def save_matting(network: MattingNetwork, path: Path) -> None:
    """Writes a network's weights: kernels in float16, vectors in float32."""
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    state = {key: value for key, value in network.state_dict().items() if not key.endswith(_UNUSED)}
    tensors = {key: (value.half() if value.dim() > 1 else value).contiguous() for key, value in state.items()}
    write_atomically(path, save(tensors, metadata={"tuft.matting": json.dumps(asdict(network.config))}))


def load_matting(path: Path = SHIPPED) -> MattingNetwork:
    """The network of a file that `save_matting` wrote, in evaluation mode.

    Raises:
        CheckpointError: As `read_weights`, or the weights do not fit the shape that the file states.
    """
    import torch

    from tuft_export.matting.network import MattingNetwork

    weights = read_weights(path)
    network = MattingNetwork(weights.config)
    try:
        fit = network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.arrays.items()}, strict=False)
    except RuntimeError as exc:
        raise CheckpointError(f"{path} holds the weights of another network: train or install it again.") from exc
    if fit.unexpected_keys or any(not key.endswith(_UNUSED) for key in fit.missing_keys):
        raise CheckpointError(f"{path} holds the weights of another network: train or install it again.")
    return network.eval()


def shipped_link() -> Link:
    """The first link of the stage's chain of provenance.

    Raises:
        CheckpointError: The weights are not those that were shipped.
    """
    digest = file_hash(SHIPPED) if SHIPPED.is_file() else "nothing"
    if digest != SHIPPED_SHA256:
        raise CheckpointError(f"{SHIPPED} is missing or damaged ({digest[:12]}): install tuft again.")
    return {"kind": "checkpoint", "name": "matting", "sha256": digest, "url": None, "licence": "MIT"}
