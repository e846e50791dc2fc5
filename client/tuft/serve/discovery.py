"""Finds the models of a repository that can be served, and the runtime for them."""

from __future__ import annotations

import math
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.contract import RUNTIMES
from tuft.errors import SetupError
from tuft.files import default_repository
from tuft.plugins import REPOSITORIES, plugin
from tuft.provenance import RECORD

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# Files that a model's version folder must hold. The plan's name depends on the GPU, see cc_model_filenames.
VERSION_FILES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "tensorrt": ("*.plan",),
        "onnxruntime": ("model.onnx",),
        "openvino": ("model.onnx",),
        "python": ("model.onnx", "model.py"),
    }
)

# TensorRT builds the matting stage's engine itself, from the graph, within ONNX Runtime's backend.
MATTING_RUNTIMES: Final[Mapping[str, str]] = MappingProxyType({"tensorrt": "onnxruntime"})

GPU_RUNTIMES: Final = frozenset({"tensorrt", "onnxruntime"})


def repository_to_serve(named: Path | None) -> Path:
    """The repository named, else the working directory's or the user's own, else the demo's.

    The demo's is made in the user's data folder at first use.

    Raises:
        OutputError: That folder cannot be written.
    """
    repository = named or default_repository()
    make_demo = None if named or repository.is_dir() else plugin(REPOSITORIES, "demo")
    return repository if make_demo is None else Path(make_demo())


def published_sizes(repository: Path, runtime: str) -> tuple[int, ...]:
    """The working sizes (pixels) whose newest version can be served by `runtime`."""
    return tuple(size for size in contract.SIZES if _is_published(repository / contract.model_name(size), runtime))


def has_matting(repository: Path, runtime: str) -> bool:
    """Whether the newest version of the matting stage can be served by `runtime`."""
    return _is_published(repository / contract.MATTING_MODEL, MATTING_RUNTIMES.get(runtime, runtime))


def adopted_models(repository: Path, runtime: str) -> dict[str, int]:
    """Names and working sizes (pixels) of the adopted models that can be served by `runtime`.

    Adopted models are those that `tuft-export adopt` has published, and those that take prompts, by `tuft-export sam2`;
    other folders of the repository are ignored.
    """
    configuration = "config.pbtxt" if runtime == "tensorrt" else f"configs/{runtime}.pbtxt"
    folders = sorted(folder for folder in repository.glob("[!.]*") if folder.name not in contract.OWN_MODELS)
    return {
        folder.name: _warmup_size(folder)
        for folder in folders
        if (folder / configuration).is_file() and _is_published(folder, runtime) and _has_record(folder)
    }


def adopted_names(repository: Path | None) -> tuple[str, ...]:
    """Names of the models that `tuft-export adopt` has published in a repository, for any runtime."""
    if repository is None:
        return ()
    names = {name for runtime in RUNTIMES for name in adopted_models(repository, runtime)}
    return tuple(sorted(names - set(contract.PROMPT_MODELS)))


def runtime_to_serve(repository: Path, backends: Collection[str], *, has_gpu: bool) -> str:
    """The best runtime for which a model is published and for which the server has the backend.

    Raises:
        SetupError: No published model can run on this server.
    """
    usable = [name for name in RUNTIMES if name in backends and (has_gpu or name not in GPU_RUNTIMES)]
    for runtime in usable:
        if published_sizes(repository, runtime) or adopted_models(repository, runtime):
            return runtime
    raise _nothing_published(repository, usable[0] if usable else "python")


def sizes_to_serve(repository: Path, runtime: str, wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    """The published sizes of tuft's own models, limited to `wanted` unless that is None.

    Raises:
        SetupError: A wanted size is not published, or no model is, not even an adopted one.
    """
    published = published_sizes(repository, runtime)
    if not published and (wanted is not None or not adopted_models(repository, runtime)):
        raise _nothing_published(repository, runtime)
    if wanted is None:
        return published
    for size in wanted:
        if size not in published:
            raise SetupError(
                f"{contract.model_name(size)} in {repository} is not published for the {runtime} runtime: "
                f"run `tuft-export publish --checkpoint demo --runtime {runtime} --sizes {size}`."
            )
    return wanted


def machine_has_gpu() -> bool:
    """Whether the kernel shows an NVIDIA GPU, in Linux or in Linux under Windows."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


def _is_published(model_folder: Path, runtime: str) -> bool:
    newest = _newest_version(model_folder)
    return newest is not None and all(any(newest.glob(pattern)) for pattern in VERSION_FILES[runtime])


def _newest_version(model_folder: Path) -> Path | None:
    """The version that Triton serves by default; a version_policy can choose others."""
    versions = [folder for folder in model_folder.glob("[1-9]*") if folder.name.isdigit()]
    return max(versions, key=lambda folder: int(folder.name), default=None)


def _has_record(model_folder: Path) -> bool:
    newest = _newest_version(model_folder)
    return newest is not None and (newest / RECORD).is_file()


def _warmup_size(model_folder: Path) -> int:
    """The working size in pixels, from the size of the model's warm-up image; 0 if it has none."""
    image = model_folder / "warmup" / "image"
    return math.isqrt(image.stat().st_size // contract.CHANNELS) if image.is_file() else 0


def _nothing_published(repository: Path, runtime: str) -> SetupError:
    remedy = f"run `tuft-export publish --checkpoint demo --runtime {runtime}`"
    if not repository.is_dir():
        return SetupError(
            f"There is no model repository at {repository}: name the one you have with --repository, or {remedy}."
        )
    return SetupError(f"No model in {repository} is published for the {runtime} runtime: {remedy}.")
