"""State dicts of torch: reads `.pth` files, and loads them into a network or says why they do not fit."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from tuft_export.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

# Prefix of every key after training with DataParallel.
_PARALLEL_PREFIX: Final = "module."
# Buffers that follow from the network's configuration; some files contain them, and none needs to.
_DERIVED: Final = (".relative_position_index", ".attn_mask")

_UNREADABLE: Final = (
    pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError,
    AttributeError,
)  # fmt: skip


def read_state_dict(path: Path, remedy: str) -> dict[str, Tensor]:
    """Reads a `.pth` file that holds a plain state dict, as InSPyReNet's training writes it to `latest.pth`.

    Args:
        path: The file.
        remedy: End of the error messages.

    Raises:
        CheckpointError: The file is not readable, or is not a state dict.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the age or format of a file
            # weights_only: otherwise a pickle may run any code.
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as exc:
        raise CheckpointError(f"{path} is not a readable checkpoint: {remedy}.") from exc
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f"{path} holds something else than the weights of one network: {remedy}.")
    return {str(key).removeprefix(_PARALLEL_PREFIX): value for key, value in content.items()}


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """Loads weights into a network, or leaves it unchanged where they do not fit.

    Returns:
        The first mismatch; None if the weights fit.
    """
    expected = network.state_dict()
    given = {key: value for key, value in state.items() if not key.endswith(_DERIVED)}
    given |= {key: value for key, value in expected.items() if key.endswith(_DERIVED)}
    # Missing in files of very old torch versions; a count of training steps, unused in evaluation mode.
    given |= {key: expected[key] for key in expected.keys() - given.keys() if key.endswith(".num_batches_tracked")}
    for key in sorted(expected.keys() | given.keys()):
        if key not in given:
            return f"{key} is missing"
        if key not in expected:
            return f"{key} is not of this network"
        if given[key].shape != expected[key].shape:
            return f"{key} has the shape {list(given[key].shape)} instead of {list(expected[key].shape)}"
    network.load_state_dict(given, strict=True)
    return None
