"""Known checkpoints: their origin, verification and loading.

Only `load_network` and `save_weights` need torch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tuft.files import cache_folder, write_atomically
from tuft_export.architecture import SWIN_B, NetworkConfig
from tuft_export.errors import CheckpointError
from tuft_export.published import pull, verify

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft_export.inspyrenet import InSPyReNet

__all__ = [
    "CHECKPOINTS",
    "Checkpoint",
    "Weights",
    "checkpoint_from_name",
    "load_network",
    "load_weights",
    "pull",
    "save_weights",
    "verify",
]

_RELEASE = "https://github.com/plemeri/transparent-background/releases/download/1.2.12"
_LICENCE = "MIT; trained on data that includes DIS5K, whose terms restrict commercial use"

_DEMO_SHA256 = "0193db85a09d7f746d03b636f6efbdb3652675334119291f0cef33fb53539a39"


@dataclass(frozen=True)
class Checkpoint:
    """One row of the table.

    Attributes:
        name: Its name for `--checkpoint`.
        file_name: Its file, in the package for `demo`, else in the cache folder; absolute for the user's own file.
        url: Where it is published; None for files that ship with tuft and for the user's own.
        md5: As published, or None.
        sha256: Where known, or None.
        size_bytes: Where known, or None.
        config: The network's configuration; None where the file contains it.
        licence: In one line.
        best_size: The working size in pixels above which it gains nothing, where that is measured.
    """

    name: str
    file_name: str
    url: str | None
    md5: str | None
    sha256: str | None
    size_bytes: int | None
    config: NetworkConfig | None
    licence: str
    best_size: int | None = None

    @property
    def path(self) -> Path:
        """The file's path, also before `pull`."""
        folder = cache_folder() if self.url else Path(__file__).with_name("demo")
        return folder / self.file_name

    @property
    def kind(self) -> str:
        """What messages call it."""
        return "checkpoint"

    @property
    def remedy(self) -> str:
        """How to get the right file."""
        if self.url:
            return f"run `tuft-export weights pull {self.name}`"
        return "give another file" if Path(self.file_name).is_absolute() else "install tuft again"

    @property
    def remedy_if_wrong(self) -> str:
        """How to replace a wrong file by the right one."""
        return f"delete it, then {self.remedy}" if self.url else self.remedy


CHECKPOINTS: Final = {
    row.name: row
    for row in (
        Checkpoint(
            "demo", "demo.safetensors", None, None, _DEMO_SHA256, 6_840_020, None, "MIT", 1024,
        ),
        Checkpoint(
            "base", "ckpt_base.pth", f"{_RELEASE}/ckpt_base.pth", "d692e3dd5fa1b9658949d452bebf1cda", None, None,
            SWIN_B, _LICENCE,
        ),
        Checkpoint(
            "fast", "ckpt_fast.pth", f"{_RELEASE}/ckpt_fast.pth", "9efdbfbcc49b79ef0f7891c83d2fd52f", None, None,
            SWIN_B.with_base_size(384), _LICENCE,
        ),
        Checkpoint(
            "base-nightly", "ckpt_base_nightly.pth", f"{_RELEASE}/ckpt_base_nightly.pth", None, None, None,
            SWIN_B, _LICENCE,
        ),
    )
}  # fmt: skip


class Weights(NamedTuple):
    """A checkpoint's contents without torch: arrays by state-dict key, and the network's configuration."""

    arrays: dict[str, NDArray[np.generic]]
    config: NetworkConfig


def checkpoint_from_name(name: str, base_size: int | None = None) -> Checkpoint:
    """The known checkpoint of this name, or a new one for the path of a `.safetensors` or `.pth` file.

    Args:
        name: A name of the table, or a path.
        base_size: Only for `.pth` files: the size in pixels that the network was trained for. Such files contain the
            weights of InSPyReNet's SwinB configuration (Swin-B, depth 64), which fit any base size.

    Raises:
        CheckpointError: The name is unknown and no such file, or the base size is missing, invalid or not needed.
    """
    path = Path(name)
    if name in CHECKPOINTS or path.suffix == ".safetensors":
        if base_size is not None:
            raise CheckpointError(f"{name} knows its own base size: leave out --base-size.")
        return CHECKPOINTS[name] if name in CHECKPOINTS else _local(_existing(path), None)
    if path.suffix == ".pth":
        return _local(path, _swin_b(_existing(path), base_size))
    known = ", ".join(CHECKPOINTS)
    raise CheckpointError(f"There is no checkpoint {name!r}: give {known}, or the path of a .safetensors or .pth file.")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}: give the path of a file that is there.")
    return path


def _local(path: Path, config: NetworkConfig | None) -> Checkpoint:
    return Checkpoint(path.name, str(path.resolve()), None, None, None, None, config, "unknown")


def _swin_b(path: Path, base_size: int | None) -> NetworkConfig:
    if base_size is None:
        raise CheckpointError(
            f"{path} does not tell which base size it was trained for: give it with --base-size, 384 or 1024 for "
            "InSPyReNet's own configurations."
        )
    if base_size <= 0 or base_size % 32:
        raise CheckpointError(f"The base size must be a multiple of 32 pixels, not {base_size}: give another.")
    return SWIN_B.with_base_size(base_size)


def load_weights(checkpoint: Checkpoint) -> Weights:
    """Reads a `.safetensors` checkpoint without torch, half precision widened to float32.

    Raises:
        CheckpointError: The file is missing or damaged, or does not contain the network's configuration.
    """
    import numpy as np
    from safetensors import SafetensorError, safe_open

    verify(checkpoint)
    try:
        with safe_open(checkpoint.path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
        config = NetworkConfig.from_dict(json.loads(metadata["tuft"]))
    except (SafetensorError, KeyError, ValueError, TypeError) as exc:
        raise CheckpointError(f"{checkpoint.path} is not a tuft checkpoint ({exc}): {checkpoint.remedy}.") from exc
    widened = {k: v.astype(np.float32) if v.dtype == np.float16 else v for k, v in arrays.items()}
    return Weights(widened, config)


def save_weights(network: InSPyReNet, path: Path) -> None:
    """Writes a network as a tuft checkpoint: `.safetensors` with its configuration in the metadata.

    Matrices and kernels become float16. Vectors stay float32: they are small, and the variances of SICA's unnormalised
    sums exceed the range of float16.
    """
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    state = network.state_dict()
    tensors = {k: v.half() if v.is_floating_point() and v.dim() > 1 else v for k, v in state.items()}
    write_atomically(path, save(tensors, metadata={"tuft": json.dumps(network.config.to_dict())}))


def load_network(checkpoint: Checkpoint) -> InSPyReNet:
    """Builds the network and loads the verified weights strictly, in evaluation mode.

    Raises:
        CheckpointError: The file is missing, damaged, not the published one, or of another network.
    """
    import torch

    from tuft_export.inspyrenet import InSPyReNet
    from tuft_export.state_dict import load_state, read_state_dict

    verify(checkpoint)
    if checkpoint.config is None:
        weights = load_weights(checkpoint)
        config, state = weights.config, {k: torch.from_numpy(v) for k, v in weights.arrays.items()}
    else:
        config, state = checkpoint.config, read_state_dict(checkpoint.path, checkpoint.remedy_if_wrong)
    network = InSPyReNet(config)
    if misfit := load_state(network, state):
        raise CheckpointError(
            f"{checkpoint.path} holds the weights of another network ({misfit}): {checkpoint.remedy_if_wrong}."
        )
    return network.eval()
