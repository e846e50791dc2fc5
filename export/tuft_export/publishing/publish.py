"""Fills the model repository: the version folders of each size and of the matting stage, with their provenance."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.contract import RUNTIMES
from tuft.files import write_atomically
from tuft.provenance import SERVED_FILES, Link, is_version, short
from tuft_export.errors import PublishError
from tuft_export.graph_metadata import PRECISIONS
from tuft_export.graphs.provider import GraphSource
from tuft_export.matting.checkpoints import shipped_link
from tuft_export.matting.graph import sample_tiles, shipped_graph
from tuft_export.provenance import engine_chain, onnx_link, write_version
from tuft_export.publishing.configurations import add_configurations, state_best_size
from tuft_export.publishing.python_backend import copy_python_backend
from tuft_export.publishing.staging import replace_folder, staging
from tuft_export.sample_images import warmup_picture

if TYPE_CHECKING:
    from tuft_export.checkpoints import Checkpoint

VERSION: Final = "1"


@dataclass(frozen=True)
class PublishOptions:
    """Options of a publication.

    Attributes:
        repository: The model repository; configurations that it lacks are written.
        runtime: One of `tuft.contract.RUNTIMES`.
        sizes: Working sizes in pixels.
        blend: As in `ExportOptions`: None blends above the checkpoint's base size, or accepts any engine.
        precision: One of `PRECISIONS`, in which the graph computes; None is fp32, or accepts any engine.
        engines: For the runtime tensorrt: the output folder of `tuft-export engine` on the serving machine.
        version: Name of the version folder.
    """

    repository: Path
    runtime: str = "python"
    sizes: tuple[int, ...] = contract.SIZES
    blend: bool | None = None
    precision: str | None = None
    engines: Path | None = None
    version: str = VERSION


def publish(checkpoint: Checkpoint, options: PublishOptions) -> list[Path]:
    """Fills the version folders for a checkpoint; each appears complete or not at all.

    Returns:
        The version folders.

    Raises:
        PublishError: An option is invalid, or an engine is missing or does not match its
            record.
        CheckpointError: The weights are missing or not the published ones.
    """
    _check(options)
    source = GraphSource(checkpoint)
    if options.runtime != "tensorrt":
        return [_publish_graph(source, options, size) for size in options.sizes]
    if options.engines is None:
        raise PublishError("The runtime tensorrt needs the folder that `tuft-export engine` has filled: --engines DIR.")
    return _publish_engines(source, options, options.engines)


def publish_matting(options: PublishOptions) -> Path:
    """Fills the version folder of the matting stage, with the weights that ship with tuft.

    For the runtime tensorrt it is the graph, too: ONNX Runtime's backend has TensorRT build its engine.

    Args:
        options: `repository`, `runtime`, `precision` and `version` are used.

    Returns:
        The version folder.

    Raises:
        PublishError: An option is invalid, or tools for the precision are not installed.
        CheckpointError: The weights are damaged.
    """
    _check(options)
    precision = options.precision or "fp32"
    model = shipped_graph(precision)
    content, origin = model.SerializeToString(), shipped_link()
    target = options.repository / contract.MATTING_MODEL / options.version
    with staging(target) as folder:
        (folder / SERVED_FILES["onnx"]).write_bytes(content)
        if options.runtime == "python":
            copy_python_backend(folder)
        add_configurations(target.parent)
        (target.parent / "warmup").mkdir(exist_ok=True)
        write_atomically(target.parent / "warmup" / "planes", sample_tiles()[-1].tobytes())
        chain = [origin, onnx_link(origin, model, content, size=contract.MATTING_TILE, precision=precision)]
        asked = {"runtime": options.runtime, "precision": options.precision}
        write_version(folder, version=options.version, chain=chain, options=asked)
        replace_folder(folder, target)
    return target


def _check(options: PublishOptions) -> None:
    if options.runtime not in RUNTIMES:
        raise PublishError(f"There is no runtime {options.runtime!r}: choose one of {', '.join(RUNTIMES)}.")
    if options.precision not in (None, *PRECISIONS):
        raise PublishError(f"There is no precision {options.precision!r}: choose one of {', '.join(PRECISIONS)}.")
    if not is_version(options.version):
        raise PublishError(f"A version is a whole number from 1, not {options.version!r}.")
    for size in options.sizes:
        if size not in contract.MODELS:
            known = ", ".join(map(str, contract.SIZES))
            raise PublishError(f"There is no model of size {size}: choose from {known}.")


def _publish_graph(source: GraphSource, options: PublishOptions, size: int) -> Path:
    precision = options.precision or "fp32"
    model = source.graph(size, options.blend, precision)
    content = model.SerializeToString()
    chain = [source.link, onnx_link(source.link, model, content, size=size, precision=precision)]
    with staging(_version_folder(options, size)) as folder:
        (folder / SERVED_FILES["onnx"]).write_bytes(content)
        if options.runtime == "python":
            copy_python_backend(folder)
        return _finish(folder, chain, options, size, source.checkpoint.best_size)


def _publish_engines(source: GraphSource, options: PublishOptions, engines: Path) -> list[Path]:
    # All engines are checked before the first is published.
    chains = {size: engine_chain(engines, size) for size in options.sizes}
    for size, (origin, graph, _) in chains.items():
        _require_as_asked(source, options, size, origin, graph)
    best_size = source.checkpoint.best_size
    return [
        _publish_engine(engines / f"model_{size}.plan", chain, options, size, best_size)
        for size, chain in chains.items()
    ]


def _require_as_asked(source: GraphSource, options: PublishOptions, size: int, origin: Link, graph: Link) -> None:
    asked_for = source.checkpoint
    # Engines may be published on machines without the checkpoint.
    same = origin["sha256"] == source.link["sha256"] if asked_for.path.is_file() else origin["name"] == asked_for.name
    if not same:
        raise PublishError(
            f"model_{size}.plan was built from another checkpoint than {asked_for.name}, from {origin['name']} "
            f"({short(origin['sha256'])}): name that with --checkpoint, or build the engine again."
        )
    for name, asked in (("precision", options.precision), ("blend", options.blend)):
        if asked not in (None, graph.get(name)):
            raise PublishError(
                f"model_{size}.plan was built with {name} {graph.get(name)} instead of {asked}: build it again, or "
                f"leave out --{name}."
            )


def _publish_engine(plan: Path, chain: list[Link], options: PublishOptions, size: int, best_size: int | None) -> Path:
    with staging(_version_folder(options, size)) as folder:
        shutil.copyfile(plan, folder / SERVED_FILES["plan"])
        return _finish(folder, chain, options, size, best_size)


def _version_folder(options: PublishOptions, size: int) -> Path:
    return options.repository / contract.model_name(size) / options.version


def _finish(folder: Path, chain: list[Link], options: PublishOptions, size: int, best_size: int | None) -> Path:
    """Completes a staging folder and moves it into place."""
    add_configurations(folder.parent)
    state_best_size(folder.parent, best_size if best_size is not None and best_size < size else None, options.version)
    _write_warmup(folder.parent, size)
    asked = {
        "runtime": options.runtime,
        "blend": options.blend,
        "precision": options.precision,
        "engines": None if options.engines is None else str(options.engines),
    }
    write_version(folder, version=options.version, chain=chain, options=asked)
    target = _version_folder(options, size)
    replace_folder(folder, target)
    return target


def _write_warmup(folder: Path, size: int) -> None:
    warmup = folder / "warmup"
    warmup.mkdir(exist_ok=True)
    write_atomically(warmup / "image", warmup_picture(size).tobytes())
