"""How Triton serves an adopted model: the project's own configurations, with other numbers.

`model_repository/inspyrenet_<S>` says, in its comments too, how each runtime serves a network of about that size. That
stays the one place for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from tuft import contract
from tuft.provenance import RECORD
from tuft_export.errors import AdoptError, PublishError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The first is TensorRT's, which tritonserver reads when no other is named.
FILES: Final = ("config.pbtxt", "configs/onnxruntime.pbtxt", "configs/openvino.pbtxt", "configs/python.pbtxt")


@dataclass(frozen=True)
class Templates:
    """The configurations of one of tuft's own models.

    Attributes:
        spec: That model.
        configs: Each configuration as Triton's message `ModelConfig`, by its path in the model's folder.
    """

    spec: contract.ModelSpec
    configs: Mapping[str, Any]

    def configurations(self, name: str, size: int, max_batch_size: int) -> dict[str, str]:
        """The same configurations for the model `name` of `size` pixels, as text by path in the model's folder."""
        return {
            file: _heading(self.spec.name, file) + _text(_derived(config, name, size, max_batch_size))
            for file, config in self.configs.items()
        }


def templates_for(size: int, repository: Path) -> Templates:
    """The configurations in `repository` of tuft's model that a network of `size` pixels is most like.

    That is the smallest which is not smaller: so no queue and no batch holds more than it does there.

    Raises:
        PublishError: They are not there.
    """
    largest = contract.MODELS[contract.SIZES[-1]]
    spec = next((spec for spec in contract.MODELS.values() if spec.size >= size), largest)
    for file in FILES:
        if not (repository / spec.name / file).is_file():
            raise PublishError(
                f"{repository / spec.name / file} is not there: give the project's model_repository with --repository."
            )
    return Templates(spec, {file: _parsed(repository / spec.name / file) for file in FILES})


def require_room(folder: Path, size: int, version: str) -> None:
    """Sees that a model's folder is new, or was adopted at `size` pixels as well: versions share one configuration.

    Raises:
        AdoptError: It is neither.
    """
    if folder.exists() and not any(folder.glob(f"*/{RECORD}")):
        raise AdoptError(f"{folder} is there already and was not adopted: choose another --name, or delete it.")
    others = sorted(path.name for path in folder.glob("[1-9]*") if path.name != version)
    config = folder / FILES[0]
    if others and config.is_file() and list(_parsed(config).input[0].dims) != [size, size, contract.CHANNELS]:
        raise AdoptError(
            f"{folder} holds version {', '.join(others)} of another size than {size} pixels, and versions share their "
            "configuration: choose another --name."
        )


def _derived(template: Any, name: str, size: int, max_batch_size: int) -> Any:
    config = _copied(template)
    config.name = name
    config.input[0].dims[:] = [size, size, contract.CHANNELS]
    config.output[0].dims[:] = [size, size]
    if template.max_batch_size > 1:  # the OpenVINO backend is to take single pictures, whatever the model
        config.max_batch_size = max_batch_size
    del config.model_warmup[:]
    # On a CPU each picture is computed alone: one shape is warmed up, or none.
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
