"""Publishes an adopted model: its version folder, the files its versions share, and its provenance."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from tuft import provenance
from tuft.files import file_hash, write_atomically
from tuft.provenance import SERVED_FILES
from tuft_export.provenance import onnx_link
from tuft_export.publishing.python_backend import copy_python_backend
from tuft_export.publishing.staging import replace_folder
from tuft_export.sample_images import warmup_picture

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuft.provenance import Link
    from tuft_export.adopt.onnx_model import Source
    from tuft_export.adopt.parity import Proof


def finish(
    staged: Path, source: Source, configurations: Mapping[str, str], proof: Proof, *, size: int, runtime: str
) -> Path:
    """Completes a staged version that contains the graph, and moves it into place.

    Args:
        staged: The folder from `staging`.
        source: The network that was wrapped.
        configurations: From `Templates.configurations`.
        proof: The result of the parity check.
        size: Working size in pixels.
        runtime: The runtime that will serve it.

    Returns:
        The version folder.
    """
    model_folder, version = staged.parent, staged.name.removeprefix(".").removesuffix(".partial")
    if runtime == "python":
        copy_python_backend(staged)
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
    replace_folder(staged, target)
    return target


def _chain(graph: Path, source: Source, size: int) -> list[Link]:
    origin: Link = {"kind": "model", "name": source.path.name, "sha256": file_hash(source.path)}
    if source.weight_files:
        origin["weights"] = {name: file_hash(source.path.parent / name) for name in source.weight_files}
    precision = "fp16" if source.is_half else "fp32"
    link = onnx_link(origin, source.model, graph.read_bytes(), size=size, precision=precision)
    return [origin, {**link, "opset": source.opset}]  # the first of its operator sets may not be ONNX's own


def _write_shared(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, content)
