"""Triton configurations of adopted models: the project's own, with other numbers.

The configurations in `model_repository/inspyrenet_<S>` state and explain how each runtime serves a network of about
that size; nothing of it is repeated here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tuft import contract
from tuft.provenance import RECORD
from tuft_export.errors import AdoptError
from tuft_export.publishing.configurations import FILES, shipped_configurations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuft.presets import Resize


@dataclass(frozen=True)
class Templates:
    """The configurations of one of tuft's own models.

    Attributes:
        spec: The model.
        configs: Each configuration as a Triton `ModelConfig` message, by its path in the model's folder.
    """

    spec: contract.ModelSpec
    configs: Mapping[str, Any]

    def configurations(self, name: str, size: int, max_batch_size: int, resize: Resize) -> dict[str, str]:
        """The same configurations for another model, as text by path in the model's folder.

        Args:
            name: The model.
            size: Its working size in pixels.
            max_batch_size: The largest batch it takes.
            resize: The resize mode it was trained with, which clients read from the configuration.
        """
        texts = {}
        for file, template in self.configs.items():
            config = _derived(template, name, size, max_batch_size)
            config.parameters[contract.RESIZE_PARAMETER].string_value = resize
            texts[file] = _heading(self.spec.name, file) + _text(config)
        return texts


def templates_for(size: int, repository: Path) -> Templates:
    """The configurations of tuft's own model that is closest to a network of `size` pixels.

    That is the smallest one that is not smaller, so that no queue or batch takes more memory than it does there. Those
    of `repository` come first, for they may have been edited; the others are those that ship with tuft.
    """
    largest = contract.MODELS[contract.SIZES[-1]]
    spec = next((spec for spec in contract.MODELS.values() if spec.size >= size), largest)
    own, shipped = repository / spec.name, shipped_configurations(spec.name)
    return Templates(spec, {file: _parsed((own if (own / file).is_file() else shipped) / file) for file in FILES})


def require_room(folder: Path, size: int, version: str, resize: Resize) -> None:
    """Checks that a model's folder is new, or that its other versions can share their configuration with this one.

    Args:
        folder: The model's folder.
        size: Working size in pixels of the version to be added.
        version: Its number.
        resize: The resize mode it was trained with.

    Raises:
        AdoptError: Something else is in the folder, or versions of another size or resize mode.
    """
    if folder.exists() and not any(folder.glob(f"*/{RECORD}")):
        raise AdoptError(f"{folder} is there already and was not adopted: choose another --name, or delete it.")
    others = sorted(path.name for path in folder.glob("[1-9]*") if path.name != version)
    if not others or not (folder / FILES[0]).is_file():
        return
    config = _parsed(folder / FILES[0])
    mismatch = None
    if list(config.input[0].dims) != [size, size, contract.CHANNELS]:
        mismatch = f"size than {size} pixels"
    elif config.parameters[contract.RESIZE_PARAMETER].string_value not in ("", resize):
        mismatch = f"resize mode than {resize}"
    if mismatch:
        raise AdoptError(
            f"{folder} holds version {', '.join(others)} of another {mismatch}, and versions share their "
            "configuration: choose another --name."
        )


def _derived(template: Any, name: str, size: int, max_batch_size: int) -> Any:
    config = _copied(template)
    config.name = name
    config.input[0].dims[:] = [size, size, contract.CHANNELS]
    config.output[0].dims[:] = [size, size]
    if template.max_batch_size > 1:  # the OpenVINO backend takes single images for every model
        config.max_batch_size = max_batch_size
    del config.model_warmup[:]
    # On a CPU each image is computed alone, so at most one shape is warmed up.
    shapes = len(template.model_warmup)
    for batch_size in range(1, (max_batch_size if shapes > 1 else shapes) + 1):
        sample = config.model_warmup.add()
        sample.CopyFrom(template.model_warmup[0])
        sample.name, sample.batch_size = f"batch_{batch_size}", batch_size
        sample.inputs[contract.INPUT_NAME].dims[:] = [size, size, contract.CHANNELS]
    return config


def _heading(origin: str, file: str) -> str:
    return (
        f"# Made by `tuft-export adopt` after {PurePosixPath(origin, file)}, whose comments explain it; made anew with "
        "each version.\n"
    )


def _text(config: Any) -> str:
    from google.protobuf import text_format  # type: ignore[import-untyped]

    text: str = text_format.MessageToString(config)
    return text


def _parsed(path: Path) -> Any:
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    return text_format.Parse(path.read_text(), ModelConfig())


def _copied(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy
