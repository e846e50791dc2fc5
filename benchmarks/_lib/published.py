"""Model repositories for benchmarks, with the demo weights or with random weights of the published shape.

The published shape is InSPyReNet on Swin-B with base size 1024; random weights are enough to measure time. What takes
minutes is kept in a folder and used again until the code that exports has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tuft_runtime.seams
from tuft import contract, provenance
from tuft.files import file_hash
from tuft_export.architecture import SWIN_B
from tuft_export.checkpoints import CHECKPOINTS, Checkpoint, checkpoint_from_name
from tuft_export.publishing.publish import VERSION, PublishOptions, publish
from tuft_export.publishing.python_backend import PACKAGE, copy_python_backend

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

WEIGHTS: Final = ("demo", "published")
_ROOT: Final = Path(__file__).parents[2]
_EXPORT: Final = _ROOT / "export" / "tuft_export"
_CALIBRATION_PX: Final = 384  # seconds instead of minutes; at 1024 the saliency is as lively
_CALIBRATION_PICTURES: Final = 2


def published_checkpoint(folder: Path) -> Path:
    """Returns a `.pth` file in `folder` with calibrated random weights of the published shape; makes it if missing.

    `tuft-export` loads it with `--base-size 1024`, transparent-background as `ckpt`.
    """
    path = folder / "published.pth"
    if not path.is_file():
        import torch

        from tuft_export.calibration import calibrated_network
        from tuft_export.sample_images import sample_pictures

        pictures = torch.from_numpy(sample_pictures(_CALIBRATION_PX, _CALIBRATION_PICTURES)).permute(0, 3, 1, 2)
        mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (contract.MEAN, contract.STD))
        network = calibrated_network(SWIN_B, (pictures / 255 - mean) / std)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        torch.save(network.state_dict(), partial)
        partial.replace(path)
    return path


def checkpoint_of(weights: str, folder: Path) -> Checkpoint:
    """The checkpoint for `weights`, one of `WEIGHTS`; random weights are kept in `folder`."""
    if weights == "demo":
        return CHECKPOINTS["demo"]
    return checkpoint_from_name(str(published_checkpoint(folder)), SWIN_B.base_size)


def reference_network(path: Path) -> torch.nn.Module:
    """Builds transparent-background's own network as its `Remover` does, with the weights of `path`, for inference."""
    import torch

    with _quietly():
        from transparent_background.InSPyReNet import InSPyReNet_SwinB

        base_hw = [SWIN_B.base_size] * 2
        network: torch.nn.Module = InSPyReNet_SwinB(SWIN_B.depth, pretrained=False, base_size=base_hw, threshold=None)
    network.eval()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    return network


def reference_remover(path: Path) -> Any:
    """Builds transparent-background's `Remover` on the CPU, mode `base`, resize `static`, with the weights of `path`.

    Nothing is downloaded. Its settings file, by default in the home folder, is written beside the weights.
    """
    os.environ["TRANSPARENT_BACKGROUND_FILE_PATH"] = str(path.parent)
    with _quietly():
        from transparent_background import Remover

        return Remover(mode="base", resize="static", device="cpu", ckpt=str(path))


def published_repository(path: Path, folder: Path, sizes: tuple[int, ...], **parameters: str) -> Path:
    """Makes a model repository for the runtime `python` with the network of a checkpoint.

    Args:
        path: From `published_checkpoint`.
        folder: Keeps the exported graphs.
        sizes: Working sizes in pixels.
        parameters: Changes to the parameters in `configs/python.pbtxt`, such as `precision="bf16"`.

    Raises:
        SystemExit: The configuration has no such parameter.
    """
    return repository_from_checkpoint(checkpoint_from_name(str(path), SWIN_B.base_size), folder, sizes, **parameters)


def repository_from_checkpoint(checkpoint: Checkpoint, folder: Path, sizes: tuple[int, ...], **parameters: str) -> Path:
    """Like `published_repository`, for any checkpoint."""
    exported = folder / f"exported-{fingerprint(checkpoint)}"
    _export(checkpoint, exported, sizes)
    name = "-".join(["served", Path(checkpoint.name).stem, *(f"{key}={parameters[key]}" for key in sorted(parameters))])
    served, staging = folder / name, folder / f".{name}.partial"
    for earlier in (served, staging):
        shutil.rmtree(earlier, ignore_errors=True)
    shutil.copytree(exported, staging, copy_function=_graph_linked)
    try:
        for version in staging.glob(f"*/{VERSION}"):
            _bring_up_to_date(version, parameters)
        return staging.rename(served)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _export(checkpoint: Checkpoint, repository: Path, sizes: tuple[int, ...]) -> None:
    unpublished = shutil.ignore_patterns("[0-9]*", "warmup")
    for size in contract.SIZES:
        source = _ROOT / "model_repository" / contract.model_name(size)
        shutil.copytree(source, repository / source.name, ignore=unpublished, dirs_exist_ok=True)
    missing = tuple(size for size in sizes if not (repository / contract.model_name(size) / VERSION).is_dir())
    publish(checkpoint, PublishOptions(repository, sizes=missing))


def fingerprint(checkpoint: Checkpoint) -> str:
    """A hash of the weights and of the code that turns them into a graph."""
    sources = [
        Path(tuft_runtime.seams.__file__),
        _EXPORT / "architecture.py",
        *(_EXPORT / "inspyrenet").glob("*.py"),
        *(_EXPORT / "graphs").glob("*.py"),
    ]
    digest = hashlib.sha256(file_hash(checkpoint.path).encode())
    for source in sorted(sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _graph_linked(source: str, target: str) -> str:
    """Copies a file, or links it if it is a graph, which may have hundreds of megabytes."""
    if Path(source).suffix == ".onnx":
        os.link(source, target)
        return target
    return shutil.copy2(source, target)


def _bring_up_to_date(version: Path, parameters: dict[str, str]) -> None:
    """Gives a published version the current code of the runtime and other parameters, and writes its provenance."""
    from google.protobuf import text_format  # type: ignore[import-untyped,unused-ignore]
    from tritonclient.grpc import model_config_pb2

    configuration = version.parent / "configs" / "python.pbtxt"
    chain = provenance.read(version).chain
    config = text_format.Parse(configuration.read_text(), model_config_pb2.ModelConfig())
    for name, value in parameters.items():
        if name not in config.parameters:  # Triton accepts any parameter, and model.py would ignore it
            known = ", ".join(sorted(config.parameters))
            raise SystemExit(f"{configuration.name} has no parameter {name!r}: choose one of {known}.")
        config.parameters[name].string_value = value
    configuration.write_text(text_format.MessageToString(config))
    shutil.rmtree(version / PACKAGE, ignore_errors=True)
    copy_python_backend(version)
    provenance.write(version, model=version.parent.name, version=VERSION, chain=chain)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silences the output and the warnings of transparent-background and its libraries."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def parameters_from_text(texts: list[str]) -> dict[str, str]:
    """Parses `["precision=bf16"]` into a dictionary.

    Raises:
        SystemExit: A text has no equals sign.
    """
    for text in texts:
        if "=" not in text:
            raise SystemExit(f"{text!r} is no parameter: write it as NAME=VALUE, for example precision=bf16.")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}
