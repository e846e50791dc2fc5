"""Filling the model repository: the version folder of each size, its warm-up picture, and where it all came from."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import platform
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft import contract
from tuft.images import write_atomically
from tuft_export.architecture import NetworkConfig
from tuft_export.checkpoints import file_hash, load_weights, verify
from tuft_export.errors import PublishError
from tuft_export.graphs import BLEND_KEY, CONFIG_KEY, demo_graph, metadata, read_bare, with_weights
from tuft_export.pictures import warmup_picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from tuft_export.checkpoints import Checkpoint

RUNTIMES: Final = ("tensorrt", "onnxruntime", "openvino", "python")
VERSION: Final = "1"

_TOOLS: Final = ("tuft", "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "numpy", "tensorrt")


@dataclass(frozen=True)
class PublishOptions:
    """What is put where.

    Attributes:
        repository: The folder of models, with their `config.pbtxt` files.
        runtime: Which of `RUNTIMES` will serve them.
        sizes: Working sizes in pixels.
        blend: As in `ExportOptions`: None blends above the checkpoint's base size.
        engines: For the runtime tensorrt: a folder of `model_<size>.plan` files built on the serving machine.
        version: Name of the version folder.
    """

    repository: Path
    runtime: str = "python"
    sizes: tuple[int, ...] = contract.SIZES
    blend: bool | None = None
    engines: Path | None = None
    version: str = VERSION


def publish(checkpoint: Checkpoint, options: PublishOptions) -> list[Path]:
    """Fills the version folders for a checkpoint; each appears complete or not at all.

    Returns:
        The version folders.

    Raises:
        PublishError: The repository, a size or a runtime is not there, or an engine is missing.
        CheckpointError: The weights are missing or not the published ones.
    """
    _check(options)
    return [_publish_size(checkpoint, options, size) for size in options.sizes]


def _check(options: PublishOptions) -> None:
    if options.runtime not in RUNTIMES:
        raise PublishError(f"There is no runtime {options.runtime!r}: choose one of {', '.join(RUNTIMES)}.")
    if not options.version.isdigit() or options.version.startswith("0"):
        raise PublishError(f"A version is a whole number from 1, not {options.version!r}.")
    for size in options.sizes:
        if size not in contract.MODELS:
            known = ", ".join(map(str, contract.SIZES))
            raise PublishError(f"There is no model of size {size}: choose from {known}.")
        config = options.repository / contract.model_name(size) / "config.pbtxt"
        if not config.is_file():
            raise PublishError(f"{config} is not there: give the project's model_repository with --repository.")
        if options.runtime == "tensorrt" and _engine(options, size) is None:
            raise PublishError(
                f"The runtime tensorrt needs model_{size}.plan in the folder given with --engines: build it on the "
                "serving machine with trtexec, as the README shows."
            )


def _publish_size(checkpoint: Checkpoint, options: PublishOptions, size: int) -> Path:
    folder = options.repository / contract.model_name(size)
    model = _served_graph(checkpoint, size, options.blend)
    staging = folder / f".{options.version}.partial"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        _write_model(model, staging, options, size)
        (staging / "provenance.json").write_text(
            json.dumps(_provenance(checkpoint, options, size, model, staging), indent=2) + "\n"
        )
        _write_warmup(folder, size)
        _replace_folder(staging, folder / options.version)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder / options.version


def _served_graph(checkpoint: Checkpoint, size: int, blend: bool | None) -> onnx.ModelProto:
    """The checkpoint's graph at this size: from the shipped structure where it fits, else exported by torch."""
    if checkpoint.name == "demo":
        bare, weights = read_bare(demo_graph(size)), load_weights(checkpoint)
        made_for = NetworkConfig.from_dict(json.loads(metadata(bare)[CONFIG_KEY]))
        blended = json.loads(metadata(bare)[BLEND_KEY])
        if made_for == weights.config and blend in (None, blended):
            return with_weights(bare, weights.arrays)
    return _exported_graph(checkpoint, size, blend)


def _exported_graph(checkpoint: Checkpoint, size: int, blend: bool | None) -> onnx.ModelProto:
    try:
        from tuft_export.onnx_from_torch import ExportOptions, onnx_from_torch
    except ImportError as exc:
        raise PublishError(f"Exporting {checkpoint.name} needs torch: pip install 'tuft[export]' ({exc}).") from exc
    from tuft_export.checkpoints import load_network

    return onnx_from_torch(load_network(checkpoint), ExportOptions(size, blend))


def _write_model(model: onnx.ModelProto, folder: Path, options: PublishOptions, size: int) -> None:
    if engine := _engine(options, size):
        shutil.copyfile(engine, folder / "model.plan")
    else:
        (folder / "model.onnx").write_bytes(model.SerializeToString())
    if options.runtime == "python":
        shutil.copyfile(Path(__file__).with_name("python_model.py"), folder / "model.py")


def _engine(options: PublishOptions, size: int) -> Path | None:
    if options.runtime != "tensorrt" or options.engines is None:
        return None
    engine = options.engines / f"model_{size}.plan"
    return engine if engine.is_file() else None


def _write_warmup(folder: Path, size: int) -> None:
    warmup = folder / "warmup"
    warmup.mkdir(exist_ok=True)
    write_atomically(warmup / "image", warmup_picture(size).tobytes())


def _replace_folder(staging: Path, target: Path) -> None:
    """Two renames instead of one, because a folder that is not empty cannot be replaced."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    staging.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _provenance(
    checkpoint: Checkpoint, options: PublishOptions, size: int, model: onnx.ModelProto, folder: Path
) -> Mapping[str, Any]:
    notes = metadata(model)
    return {
        "model": contract.model_name(size),
        "version": options.version,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "checkpoint": {
            "name": checkpoint.name,
            "sha256": verify(checkpoint),
            "url": checkpoint.url,
            "licence": checkpoint.licence,
        },
        "network": {key.removeprefix("tuft."): json.loads(value) for key, value in notes.items()},
        "opset": model.opset_import[0].version,
        "options": {
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(options).items()
            if key not in ("repository", "sizes")
        },
        "files": {path.name: file_hash(path, "sha256") for path in sorted(folder.iterdir())},
        "tools": {name: version for name in _TOOLS if (version := _installed(name))},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
