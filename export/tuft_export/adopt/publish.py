"""An adopted model's place in the repository: its version, what its versions share, and where it came from."""

from __future__ import annotations

import platform
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tuft import provenance
from tuft.files import write_atomically
from tuft.provenance import SERVED_FILES, file_sha256
from tuft_export.provenance import onnx_link
from tuft_export.publishing import publish
from tuft_export.sample_images import warmup_picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tuft.provenance import Link
    from tuft_export.adopt.onnx_model import Source
    from tuft_export.adopt.parity import Proof


@contextmanager
def staging(model_folder: Path, version: str) -> Iterator[Path]:
    """An empty folder beside the version's, whose name says that it is not published; gone after the block."""
    is_new = not model_folder.exists()
    folder = model_folder / f".{version}.partial"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if is_new and not (model_folder / version).exists():
            shutil.rmtree(model_folder, ignore_errors=True)


def finish(
    staged: Path, source: Source, configurations: Mapping[str, str], proof: Proof, *, size: int, runtime: str
) -> Path:
    """Completes a staged version that holds the graph, and puts it in place.

    Args:
        staged: As `staging` gives it.
        source: The network that was wrapped.
        configurations: As `Templates.configurations` gives them.
        proof: What the graph has passed.
        size: Working size in pixels.
        runtime: Which runtime will serve it.

    Returns:
        The version folder.
    """
    model_folder, version = staged.parent, staged.name.removeprefix(".").removesuffix(".partial")
    if runtime == "python":
        shutil.copyfile(Path(publish.__file__).parents[1] / "python_model.py", staged / "model.py")
    for file, text in configurations.items():
        _write_shared(model_folder / file, text.encode())
    _write_shared(model_folder / "warmup" / "image", warmup_picture(size).tobytes())
    provenance.write(
        staged,
        model=model_folder.name,
        version=version,
        chain=_chain(staged / SERVED_FILES["onnx"], source, size),
        details={
            "options": {"runtime": runtime},
            "proof": proof.to_dict(),
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
    )
    target = model_folder / version
    publish.replace_folder(staged, target)
    return target


def _chain(graph: Path, source: Source, size: int) -> list[Link]:
    origin: Link = {"kind": "model", "name": source.path.name, "sha256": file_sha256(source.path)}
    if source.weight_files:
        origin["weights"] = {name: file_sha256(source.path.parent / name) for name in source.weight_files}
    precision = "fp16" if source.is_half else "fp32"
    link = onnx_link(origin, source.model, graph.read_bytes(), size=size, precision=precision)
    return [origin, {**link, "opset": source.opset}]  # its first operator set may be another than ONNX's own


def _write_shared(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, content)
