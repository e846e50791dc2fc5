"""The models of a repository on this machine, and the demo for those that it lacks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.errors import ModelUnavailableError
from tuft.files import MODEL_REPOSITORY, data_folder
from tuft.models import pulling
from tuft.provenance import SERVED_FILES, check_model, is_version
from tuft_export.publishing.demo import demo_repository
from tuft_export.publishing.publish import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_OWN: Final = {
    **{spec.name: spec.size for spec in contract.MODELS.values()},
    contract.MATTING_MODEL: contract.MATTING_TILE,
}
_GRAPH: Final = SERVED_FILES["onnx"]
# Both in the project's configurations and in those that protobuf writes.
_PARAMETER: Final = re.compile(r'parameters\s*\{\s*key:\s*"(\w+)"\s*value:?\s*\{\s*string_value:\s*"([^"]*)"')
_SIDE: Final = re.compile(r"dims:\s*\[?\s*(\d+)")


@dataclass(frozen=True)
class Model:
    """A version of a model.

    Attributes:
        name: The model's name.
        version: Name of its version folder.
        folder: The model's folder.
        size: Working size in pixels.
        parameters: Of its configuration for the runtime python.
    """

    name: str
    version: str
    folder: Path
    size: int
    parameters: Mapping[str, str]

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.folder / self.version / _GRAPH


class Models:
    """The published models that can be computed here.

    Args:
        repository: Where they are; None for the user's own repository, with the demo for tuft's models that it lacks.
    """

    def __init__(self, repository: Path | None = None) -> None:
        self._has_demo = repository is None
        self._repository = data_folder() / MODEL_REPOSITORY if repository is None else repository

    def find(self, name: str, version: str = "") -> Model:
        """A version of a model, the newest by default; the demo's is published at first use.

        Raises:
            ModelUnavailableError: There is none.
            OutputError: The demo cannot be written to the user's data folder.
        """
        versions = self.versions(name)
        if not versions or (version and version not in versions):
            named = f"version {version} of {name}" if version and versions else name
            remedy = pulling(name) or "publish it with `tuft-export publish`, or adopt it with `tuft-export adopt`."
            if name in contract.PROMPT_MODELS:
                remedy = "publish it with `tuft-export sam2`."
            raise ModelUnavailableError(f"{self._repository} has no {named} that can be computed here: {remedy}")
        folder = self._repository / name
        if not _versions(folder):
            is_stage = name == contract.MATTING_MODEL
            folder = demo_repository([] if is_stage else [_OWN[name]], matting=is_stage) / name
        configuration = _configuration(folder)
        parameters = dict(_PARAMETER.findall(configuration))
        side = _SIDE.search(configuration)
        return Model(
            name,
            version or versions[-1],
            folder,
            _OWN.get(name) or (int(side[1]) if side else 0),
            parameters,
        )

    def versions(self, name: str) -> tuple[str, ...]:
        """The versions of a model, in ascending order; empty if there is none. Publishes nothing."""
        here = _versions(self._repository / name)
        return here or ((VERSION,) if self._has_demo and name in _OWN else ())

    def others(self) -> tuple[str, ...]:
        """Names of the models that are not tuft's own, sorted."""
        folders = self._repository.glob("[!.]*") if self._repository.is_dir() else ()
        own = {*_OWN, *contract.PROMPT_MODELS}
        return tuple(sorted(folder.name for folder in folders if folder.name not in own and _versions(folder)))


def verify(model: Model) -> None:
    """Compares the model's files with its record, as `tuft serve` does.

    Raises:
        IntegrityError: A file is not what was published; the message names it.
    """
    check_model(model.folder)


def _versions(folder: Path) -> tuple[str, ...]:
    found = (graph.parent.name for graph in folder.glob(f"*/{_GRAPH}"))
    return tuple(sorted(filter(is_version, found), key=int))


def _configuration(folder: Path) -> str:
    """The configuration for the runtime python, which states how to compute; empty if there is none."""
    file = folder / "configs" / "python.pbtxt"
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))
