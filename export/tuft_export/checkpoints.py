"""The checkpoints tuft knows: where they come from, how they are verified, how they are loaded.

Nothing here needs torch except `load_network`.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tuft.files import write_atomically
from tuft_export.architecture import SWIN_B, NetworkConfig
from tuft_export.download import download
from tuft_export.errors import CheckpointError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuft_export.inspyrenet import InSPyReNet

_RELEASE = "https://github.com/plemeri/transparent-background/releases/download/1.2.12"
_LICENCE = "MIT; trained on data that includes DIS5K, whose terms restrict commercial use"

_DEMO_SHA256 = "8fa2f4707c4811a782a48ef8eecd2475197bdfc0053c0e25f1e27df18fb9778f"

# Beside a file without a published hash: what it hashed to when it first arrived.
_FIRST_SEEN_SUFFIX = ".sha256"


@dataclass(frozen=True)
class Checkpoint:
    """One row of the table.

    Attributes:
        name: What `--checkpoint` calls it.
        file_name: Its file, in the package for `demo`, else in the cache folder; absolute for a file of your own.
        url: Where it is published; None for files that ship with tuft and for your own.
        md5: As published, or None.
        sha256: Where known, or None.
        size_bytes: Where known, or None.
        config: The network's shape; None where the file itself tells.
        licence: In one line.
    """

    name: str
    file_name: str
    url: str | None
    md5: str | None
    sha256: str | None
    size_bytes: int | None
    config: NetworkConfig | None
    licence: str

    @property
    def path(self) -> Path:
        """Where the file is, or would be after `pull`."""
        folder = cache_folder() if self.url else Path(__file__).with_name("demo")
        return folder / self.file_name

    @property
    def remedy(self) -> str:
        """How to get the right file."""
        if self.url:
            return f"run `tuft-export weights pull {self.name}`"
        return "give another file" if Path(self.file_name).is_absolute() else "install tuft again"

    @property
    def remedy_if_wrong(self) -> str:
        """How to get the right file where a wrong one lies."""
        return f"delete it, then {self.remedy}" if self.url else self.remedy


CHECKPOINTS: Final = {
    row.name: row
    for row in (
        Checkpoint(
            "demo", "demo.safetensors", None, None, _DEMO_SHA256, 6_840_020, None, "MIT",
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
    """A checkpoint's contents without torch: arrays by state-dict key, and the network's shape."""

    arrays: dict[str, NDArray[np.generic]]
    config: NetworkConfig


def cache_folder() -> Path:
    """Where pulled checkpoints live: `$TUFT_CACHE`, else `$XDG_CACHE_HOME/tuft`, else `~/.cache/tuft`."""
    if "TUFT_CACHE" in os.environ:
        return Path(os.environ["TUFT_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tuft"


def checkpoint_from_name(name: str, base_size: int | None = None) -> Checkpoint:
    """The row called `name`, or a row made for the path of a `.safetensors` or `.pth` file.

    Args:
        name: A name of the table, or a path.
        base_size: For a `.pth` file, and only for one: the size in pixels that it was trained for. Such files hold the
            weights of InSPyReNet's SwinB configuration (Swin-B, depth 64), which fit any base size.

    Raises:
        CheckpointError: Neither a known name nor such a file, or a base size that is missing, impossible or known.
    """
    path = Path(name)
    if name in CHECKPOINTS or path.suffix == ".safetensors":
        if base_size is not None:
            raise CheckpointError(f"{name} knows its own base size: leave out --base-size.")
        return CHECKPOINTS[name] if name in CHECKPOINTS else _local(path, None)
    if path.suffix == ".pth":
        return _local(path, _swin_b(path, base_size))
    known = ", ".join(CHECKPOINTS)
    raise CheckpointError(f"There is no checkpoint {name!r}: give {known}, or the path of a .safetensors or .pth file.")


def _local(path: Path, config: NetworkConfig | None) -> Checkpoint:
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint at {path}: give the path of a file that is there.")
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


def pull(checkpoint: Checkpoint, *, progress: bool = True) -> Path:
    """Downloads a checkpoint unless it is already there and sound; verified before it is moved into place.

    Raises:
        CheckpointError: It cannot be fetched, or is not the published file; then nothing is left behind.
    """
    if checkpoint.url is None or checkpoint.path.exists():
        verify(checkpoint)
        return checkpoint.path
    partial = download(checkpoint.url, checkpoint.path, progress=progress)
    try:
        _verify_file(checkpoint, partial)
    except CheckpointError:
        partial.unlink()
        raise
    if checkpoint.md5 is None and checkpoint.sha256 is None:
        _first_seen_file(checkpoint).write_text(file_hash(partial, "sha256") + "\n")
    partial.replace(checkpoint.path)
    return checkpoint.path


def verify(checkpoint: Checkpoint) -> str:
    """Checks a checkpoint's file against its row.

    Returns:
        The file's SHA-256 in hexadecimal.

    Raises:
        CheckpointError: The file is missing or is not the published one.
    """
    if not checkpoint.path.is_file():
        raise CheckpointError(f"The checkpoint {checkpoint.name} is not at {checkpoint.path}: {checkpoint.remedy}.")
    _verify_file(checkpoint, checkpoint.path)
    sha256 = file_hash(checkpoint.path, "sha256")
    first_seen = _first_seen_file(checkpoint)
    if checkpoint.url and first_seen.is_file() and first_seen.read_text().strip() != sha256:
        raise CheckpointError(
            f"The checkpoint {checkpoint.name} has changed since it was downloaded: delete {checkpoint.path} "
            f"and {first_seen}, then pull it again."
        )
    return sha256


def file_hash(path: Path, algorithm: str) -> str:
    """The hash of a file's contents in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.new(algorithm)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load_weights(checkpoint: Checkpoint) -> Weights:
    """Reads a `.safetensors` checkpoint without torch, half precision widened to float32.

    Raises:
        CheckpointError: The file is missing, damaged, or does not say which network it belongs to.
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
    """Writes a network as a tuft checkpoint: `.safetensors` whose metadata holds its shape.

    Matrices and kernels become float16. Vectors stay float32: they are few, and the variances of SICA's unnormalised
    sums are past what float16 can hold.
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


def _verify_file(checkpoint: Checkpoint, path: Path) -> None:
    actual_bytes = path.stat().st_size
    if checkpoint.size_bytes is not None and actual_bytes != checkpoint.size_bytes:
        raise CheckpointError(
            f"{checkpoint.name} has {actual_bytes} bytes instead of {checkpoint.size_bytes}: "
            f"{checkpoint.remedy_if_wrong}."
        )
    for algorithm, expected in (("md5", checkpoint.md5), ("sha256", checkpoint.sha256)):
        if expected is not None and (actual := file_hash(path, algorithm)) != expected:
            raise CheckpointError(
                f"{checkpoint.name} has the {algorithm.upper()} {actual} instead of the published {expected}, is "
                f"damaged or not the same file: {checkpoint.remedy_if_wrong}."
            )


def _first_seen_file(checkpoint: Checkpoint) -> Path:
    return checkpoint.path.with_name(checkpoint.path.name + _FIRST_SEEN_SUFFIX)
