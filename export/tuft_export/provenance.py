"""The links of a chain of provenance: weights -> graph -> engine.

Each graph and each engine that is written for later publishing has its link beside it, `model.onnx.json` or
`model.plan.json`. `tuft.provenance` stores chains in the model repository and verifies them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft import provenance
from tuft.files import file_hash, write_atomically
from tuft.provenance import Link
from tuft_export.errors import PublishError
from tuft_export.graph_metadata import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    from tuft_export.checkpoints import Checkpoint

_TOOLS: Final = ("tuft", "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "numpy", "tensorrt", "transformers")
# The distribution of a tool where it has another name.
_DISTRIBUTIONS: Final = {"tuft": "tuft-matting"}
_NOTES_PREFIX: Final = "tuft."


def checkpoint_link(checkpoint: Checkpoint) -> Link:
    """The first link: the checkpoint, whose file is verified and hashed here.

    Raises:
        CheckpointError: The file is missing or not the published one.
    """
    from tuft_export.checkpoints import verify

    return {
        "kind": "checkpoint",
        "name": checkpoint.name,
        "sha256": verify(checkpoint),
        "url": checkpoint.url,
        "licence": checkpoint.licence,
    }


def onnx_link(origin: Link, model: onnx.ModelProto, serialised: bytes, *, size: int, precision: str = "fp32") -> Link:
    """The link of a graph.

    Args:
        origin: The previous link.
        model: The graph; its metadata, such as `tuft.network` and `tuft.blend`, becomes part of the link.
        serialised: The bytes of its file.
        size: Side of its input in pixels.
        precision: fp32, fp16 or bf16.
    """
    notes = {
        key.removeprefix(_NOTES_PREFIX): json.loads(value)
        for key, value in metadata(model).items()
        if key.startswith(_NOTES_PREFIX)
    }
    return {
        "kind": "onnx",
        "sha256": hashlib.sha256(serialised).hexdigest(),
        "from": origin["sha256"],
        "precision": precision,
        "size": size,
        "opset": model.opset_import[0].version,
        **notes,
        "tools": _tools(),
    }


def graph_record(
    checkpoint: Link, model: onnx.ModelProto, serialised: bytes, *, size: int, precision: str = "fp32"
) -> Link:
    """The record beside a graph's file: its link as by `onnx_link`, with the whole previous link under `checkpoint`."""
    return {**onnx_link(checkpoint, model, serialised, size=size, precision=precision), "checkpoint": checkpoint}


def record_path(file: Path) -> Path:
    """The path of the record of a graph or an engine: `model_1024.onnx` -> `model_1024.onnx.json`."""
    return file.with_name(file.name + ".json")


def write_record(file: Path, record: Link) -> None:
    """Writes the record of a graph or an engine beside its file, atomically."""
    write_atomically(record_path(file), (json.dumps(record, indent=2) + "\n").encode())


def read_record(file: Path) -> Link:
    """Reads the record beside a graph or an engine.

    Raises:
        PublishError: It is missing or damaged.
    """
    path = record_path(file)
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise PublishError(f"{path} is missing, which says where {file.name} came from: build it again.") from None
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise PublishError(f"{path} is damaged: build {file.name} again.")
    return record


def engine_chain(folder: Path, size: int) -> list[Link]:
    """The chain of `model_<size>.plan`, from the records that `tuft-export engine` wrote to `folder`.

    Raises:
        PublishError: A record is missing or damaged, or a file does not match its record.
    """
    graph_file, plan_file = folder / f"model_{size}.onnx", folder / f"model_{size}.plan"
    if not plan_file.is_file():
        raise PublishError(f"{plan_file} is missing: build it on the serving machine with `tuft-export engine`.")
    graph, plan = read_record(graph_file), read_record(plan_file)
    try:
        checkpoint = graph.pop("checkpoint")
        chain = [checkpoint, graph, plan]
        kinds, hashes = [link["kind"] for link in chain], [link["sha256"] for link in chain]
        joined = [link["from"] for link in chain[1:]] == hashes[:-1]
        graph_size, _ = graph["size"], checkpoint["name"]
    except (KeyError, TypeError, AttributeError):
        raise PublishError(f"The records of {plan_file} are incomplete: build it again.") from None
    if kinds != ["checkpoint", "onnx", "plan"] or not joined:
        raise PublishError(f"{plan_file} was built from another graph than {graph_file}: build it again.")
    if graph_size != size:
        raise PublishError(f"{graph_file} is a graph for {graph_size} pixels: build one for {size}.")
    # The graph may be on the machine that exported it; its hash is in the chain.
    for file, expected in ((graph_file, hashes[1]), (plan_file, hashes[2])):
        if file.is_file() and file_hash(file) != expected:
            raise PublishError(f"{file} is not the file that its record tells of: build it again.")
    return chain


def write_version(folder: Path, *, version: str, chain: Sequence[Link], options: Mapping[str, Any]) -> None:
    """Writes the `provenance.json` of a complete version folder.

    Args:
        folder: The staging folder, in the model's folder.
        version: Final name of the version folder.
        chain: From the weights to the served file.
        options: The options of the publication.
    """
    details = {"options": options, "python": platform.python_version(), "platform": platform.platform()}
    provenance.write(folder, model=folder.absolute().parent.name, version=version, chain=chain, details=details)


def _tools() -> dict[str, str]:
    return {name: version for name in _TOOLS if (version := _installed(_DISTRIBUTIONS.get(name, name)))}


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
