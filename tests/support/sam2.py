"""SAM 2.1 in miniature: the real architecture of transformers with random weights and few channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

BACKBONE = {
    "hidden_size": 8,
    "num_attention_heads": 1,
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [8, 16, 32, 64],
    "num_attention_heads_per_stage": [1, 1, 2, 2],
    "global_attention_blocks": [3],
}
CHANNELS = (64, 32, 16, 8)
# Every part of it must be seen in the answer: freshly made weights hardly depend on anything.
_WEIGHT_STD = 0.15


def miniature(seed: int = 0, *, video: bool = False) -> Any:
    """The network as an image model, or as the video model that checkpoints are published as."""
    import torch
    import transformers

    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": {"model_type": "sam2_hiera_det_model", **BACKBONE},
        "backbone_channel_list": list(CHANNELS),
    }
    kind = (
        (transformers.Sam2VideoConfig, transformers.Sam2VideoModel)
        if video
        else (transformers.Sam2Config, transformers.Sam2Model)
    )
    torch.manual_seed(seed)
    model = kind[1](kind[0](vision_config=vision))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, _WEIGHT_STD)
    return model.eval()


@pytest.fixture(scope="session")
def sam2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature as transformers saves it."""
    folder = tmp_path_factory.mktemp("sam2")
    miniature().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sam2_repository(tmp_path_factory: pytest.TempPathFactory, sam2_folder: Path) -> Path:
    """A model repository with the miniature, published by the command: exported once for all tests."""
    from tuft_export.cli.main import main

    repository = tmp_path_factory.mktemp("prompts") / "repository"
    assert main(["sam2", "--weights", str(sam2_folder), "--repository", str(repository)]) == 0
    return repository
