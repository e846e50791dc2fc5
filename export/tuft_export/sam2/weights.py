"""The published checkpoints of SAM 2.1 by name: their origin, verification and loading."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft_export.checkpoints import Checkpoint, pull, verify
from tuft_export.errors import CheckpointError, ExportError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import Sam2Config, Sam2Model

_HUB: Final = "https://huggingface.co/facebook"
_LICENCE: Final = "Apache-2.0"
DEFAULT: Final = "tiny"


@dataclass(frozen=True)
class Sam2Weights:
    """One row of the table.

    Attributes:
        name: Its name for `--weights`.
        checkpoint: The file in the format of `transformers`, and where it is published.
        backbone: How its image encoder differs from that of `tiny`: arguments of `transformers.Sam2HieraDetConfig`.
        channels: Channels of the encoder's stages, the last first.
    """

    name: str
    checkpoint: Checkpoint
    backbone: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[int, ...] = (768, 384, 192, 96)

    def config(self) -> Sam2Config:
        """The network's configuration.

        Raises:
            ExportError: transformers is not installed.
        """
        backbone = {"model_type": "sam2_hiera_det_model", **self.backbone}
        vision = {
            "model_type": "sam2_vision_model",
            "backbone_config": backbone,
            "backbone_channel_list": list(self.channels),
        }
        return _library().Sam2Config(vision_config=vision)


def _published(name: str, repository: str, backbone: Mapping[str, Any], channels: tuple[int, ...]) -> Sam2Weights:
    url = f"{_HUB}/{repository}/resolve/main/model.safetensors"
    # The project publishes no hash of these files: that of the first download is kept and compared from then on.
    checkpoint = Checkpoint(repository, f"{repository}.safetensors", url, None, None, None, None, _LICENCE)
    return Sam2Weights(name, checkpoint, backbone, channels)


# Architectures as in sam2/configs/sam2.1/*.yaml of facebookresearch/sam2.
WEIGHTS: Final = {
    row.name: row
    for row in (
        _published("tiny", "sam2.1-hiera-tiny", {}, (768, 384, 192, 96)),
        _published(
            "small",
            "sam2.1-hiera-small",
            {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
            (768, 384, 192, 96),
        ),
        _published(
            "base-plus",
            "sam2.1-hiera-base-plus",
            {
                "hidden_size": 112,
                "num_attention_heads": 2,
                "embed_dim_per_stage": [112, 224, 448, 896],
                "num_attention_heads_per_stage": [2, 4, 8, 16],
                "blocks_per_stage": [2, 3, 16, 3],
                "global_attention_blocks": [12, 16, 20],
                "window_positional_embedding_background_size": [14, 14],
            },
            (896, 448, 224, 112),
        ),
        _published(
            "large",
            "sam2.1-hiera-large",
            {
                "hidden_size": 144,
                "num_attention_heads": 2,
                "embed_dim_per_stage": [144, 288, 576, 1152],
                "num_attention_heads_per_stage": [2, 4, 8, 16],
                "blocks_per_stage": [2, 6, 36, 4],
                "global_attention_blocks": [23, 33, 43],
                "window_size_per_stage": [8, 4, 16, 8],
            },
            (1152, 576, 288, 144),
        ),
    )
}


def load_model(weights: Sam2Weights, *, progress: bool = True) -> Sam2Model:
    """The network with the published weights, downloaded where they are missing and verified, in evaluation mode.

    Raises:
        CheckpointError: They cannot be downloaded, are not the published ones, or are another network's.
        ExportError: transformers is not installed.
    """
    config = weights.config()
    pull(weights.checkpoint, progress=progress)
    verify(weights.checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        config.save_pretrained(folder)
        Path(folder, "model.safetensors").symlink_to(weights.checkpoint.path)
        return load_folder(Path(folder), weights.checkpoint.remedy_if_wrong)


def load_folder(folder: Path, remedy: str = "give another folder") -> Sam2Model:
    """The network in a folder as `transformers` saves it, in evaluation mode.

    Args:
        folder: With `config.json` and `model.safetensors`.
        remedy: What to do if it holds something else.

    Raises:
        CheckpointError: It holds no SAM 2 network, or one with missing weights.
        ExportError: transformers is not installed.
    """
    library = _library()
    try:
        model, found = library.Sam2Model.from_pretrained(
            folder,
            output_loading_info=True,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are told below
        )
    except Exception as exc:  # those of safetensors, torch and transformers have no common base
        reason = " ".join(str(exc).split())[:200].rstrip(".")
        raise CheckpointError(
            f"{folder} holds no network that transformers reads as SAM 2 ({reason}): {remedy}."
        ) from exc
    missing = sorted(found["missing_keys"])
    if missing or found["mismatched_keys"]:
        lacks = missing[0] if missing else str(sorted(found["mismatched_keys"])[0])
        raise CheckpointError(f"{folder} holds the weights of another network (see {lacks}): {remedy}.")
    return model.eval()


def _library() -> Any:
    try:
        import transformers
    except ImportError as exc:
        raise ExportError(f"SAM 2 needs transformers: pip install 'tuft-matting[sam2]' ({exc}).") from exc
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers
