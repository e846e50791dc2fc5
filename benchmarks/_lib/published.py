"""Networks of the published shape, InSPyReNet on Swin-B with base size 1024, for times: weights are random.

    python benchmarks/_lib/published.py FOLDER [--weights demo|published] [--sizes 1024 ...] [--parameter NAME=VALUE ...]

publishes one for `tuft serve` in a process of its own, so that torch's memory is not the caller's, and prints where.
What takes minutes stays in FOLDER and is used again until the code that exports has changed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft import contract, provenance
from tuft_export.architecture import SWIN_B
from tuft_export.checkpoints import CHECKPOINTS, Checkpoint, checkpoint_from_name, file_hash
from tuft_export.publishing.publish import VERSION, PublishOptions, publish

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

WEIGHTS: Final = ("demo", "published")
_ROOT: Final = Path(__file__).parents[1]
_EXPORT: Final = _ROOT / "export" / "tuft_export"
_CALIBRATION_PX: Final = 384  # seconds instead of minutes; at 1024 the saliency is as lively
_CALIBRATION_PICTURES: Final = 2


def published_checkpoint(folder: Path) -> Path:
    """A `.pth` file in `folder` with random weights of the published shape, calibrated; made at the first call.

    `tuft-export` takes it with `--base-size 1024`, transparent-background as `ckpt`.
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
    """The checkpoint that `weights`, one of `WEIGHTS`, stands for; random weights are kept in `folder`."""
    if weights == "demo":
        return CHECKPOINTS["demo"]
    return checkpoint_from_name(str(published_checkpoint(folder)), SWIN_B.base_size)


def reference_network(path: Path) -> torch.nn.Module:
    """transparent-background's own network with the weights of `path`, as its `Remover` builds it, for inference."""
    import torch

    with _quietly():
        from transparent_background.InSPyReNet import InSPyReNet_SwinB

        base_hw = [SWIN_B.base_size] * 2
        network: torch.nn.Module = InSPyReNet_SwinB(SWIN_B.depth, pretrained=False, base_size=base_hw, threshold=None)
    network.eval()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    return network


def reference_remover(path: Path) -> Any:
    """transparent-background's `Remover` on the processor, mode `base`, resize `static`, with the weights of `path`.

    Nothing is downloaded. Its settings, which it would write into the home folder, go beside the weights.
    """
    os.environ["TRANSPARENT_BACKGROUND_FILE_PATH"] = str(path.parent)
    with _quietly():
        from transparent_background import Remover

        return Remover(mode="base", resize="static", device="cpu", ckpt=str(path))


def published_repository(path: Path, folder: Path, sizes: tuple[int, ...], **parameters: str) -> Path:
    """A model repository for the runtime `python` with the network of a checkpoint.

    Args:
        path: As of `published_checkpoint`.
        folder: Keeps what was exported.
        sizes: Working sizes in pixels.
        parameters: Those of `configs/python.pbtxt` that are to differ, such as `precision="bf16"`.

    Raises:
        SystemExit: The configuration has no such parameter.
    """
    return repository_from_checkpoint(checkpoint_from_name(str(path), SWIN_B.base_size), folder, sizes, **parameters)


def repository_from_checkpoint(checkpoint: Checkpoint, folder: Path, sizes: tuple[int, ...], **parameters: str) -> Path:
    """As `published_repository`, for any checkpoint."""
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
    """Of the weights, and of the code that makes a graph of them."""
    sources = [_EXPORT / "architecture.py", *(_EXPORT / "inspyrenet").glob("*.py"), *(_EXPORT / "graphs").glob("*.py")]
    digest = hashlib.sha256(file_hash(checkpoint.path, "sha256").encode())
    for source in sorted(sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _graph_linked(source: str, target: str) -> str:
    """Copies a file, and of a graph of hundreds of megabytes only its name."""
    if Path(source).suffix == ".onnx":
        os.link(source, target)
        return target
    return shutil.copy2(source, target)


def _bring_up_to_date(version: Path, parameters: dict[str, str]) -> None:
    """Gives a published version today's `model.py` and other parameters, and seals it anew."""
    from google.protobuf import text_format  # type: ignore[import-untyped,unused-ignore]
    from tritonclient.grpc import model_config_pb2

    configuration = version.parent / "configs" / "python.pbtxt"
    chain = provenance.read(version).chain
    config = text_format.Parse(configuration.read_text(), model_config_pb2.ModelConfig())
    for name, value in parameters.items():
        if name not in config.parameters:  # Triton would pass it on, and nobody would read it
            known = ", ".join(sorted(config.parameters))
            raise SystemExit(f"{configuration.name} has no parameter {name!r}: choose one of {known}.")
        config.parameters[name].string_value = value
    configuration.write_text(text_format.MessageToString(config))
    shutil.copyfile(_EXPORT / "python_model.py", version / "model.py")
    provenance.write(version, model=version.parent.name, version=VERSION, chain=chain)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what transparent-background and its libraries have to say when they are imported."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def parameters_from_text(texts: list[str]) -> dict[str, str]:
    """`["precision=bf16"]` as a dictionary.

    Raises:
        SystemExit: One has no equals sign.
    """
    for text in texts:
        if "=" not in text:
            raise SystemExit(f"{text!r} is no parameter: write it as NAME=VALUE, for example precision=bf16.")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def main() -> None:
    parser = argparse.ArgumentParser(description="A model repository for benchmarks.")
    parser.add_argument("folder", type=Path, help="keeps what was exported")
    parser.add_argument("--weights", choices=WEIGHTS, default="published")
    parser.add_argument("--sizes", type=int, nargs="+", default=[SWIN_B.base_size])
    parser.add_argument("--parameter", action="append", default=[], help="of configs/python.pbtxt, as NAME=VALUE")
    options = parser.parse_args()
    checkpoint = checkpoint_of(options.weights, options.folder)
    parameters = parameters_from_text(options.parameter)
    with contextlib.redirect_stdout(sys.stderr):
        repository = repository_from_checkpoint(checkpoint, options.folder, tuple(options.sizes), **parameters)
    print(repository)


if __name__ == "__main__":
    main()
