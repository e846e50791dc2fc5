"""The weights of a network as torch keeps them: `.pth` files in, and a network that fits or a sentence why not."""

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

# What training on several GPUs may put before every key.
_PARALLEL_PREFIX: Final = "module."
# Buffers that follow from the network's shape: some files have them, others not, and none has to tell us.
_DERIVED: Final = (".relative_position_index", ".attn_mask")

_UNREADABLE: Final = (
    pickle.UnpicklingError, zipfile.BadZipFile, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError,
    AttributeError,
)  # fmt: skip


def read_state_dict(path: Path, remedy: str) -> dict[str, Tensor]:
    """Reads a `.pth` file that holds a plain state dict, as InSPyReNet's training writes it to `latest.pth`.

    Args:
        path: The file.
        remedy: How the message of an error ends.

    Raises:
        CheckpointError: It is not readable, or holds something else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how old or strange a file is: it can be read or not
            # weights_only: a pickle may otherwise run any code.
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as exc:
        raise CheckpointError(f"{path} is not a readable checkpoint: {remedy}.") from exc
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f"{path} holds something else than the weights of one network: {remedy}.")
    return {str(key).removeprefix(_PARALLEL_PREFIX): value for key, value in content.items()}


def load_state(network: nn.Module, state: Mapping[str, Tensor]) -> str | None:
    """Loads weights into a network, all of them or none.

    Returns:
        What does not fit, the first of it; None if everything does.
    """
    expected = network.state_dict()
    given = {key: value for key, value in state.items() if not key.endswith(_DERIVED)}
    given |= {key: value for key, value in expected.items() if key.endswith(_DERIVED)}
    # Of the oldest torch; a count of training steps that nothing reads in evaluation mode.
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
