"""The links of a chain of provenance: weights -> graph -> engine.

Beside each graph and each engine that is written for later publishing lies its link, `model.onnx.json` or
`model.plan.json`. How a chain is kept in the model repository, and checked, says `tuft.provenance`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tuft import provenance
from tuft.files import write_atomically
from tuft.provenance import Link, file_sha256
from tuft_export.errors import PublishError
from tuft_export.graphs.weightless import metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    from tuft_export.checkpoints import Checkpoint

_TOOLS: Final = ("tuft", "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "numpy", "tensorrt")
_NOTES_PREFIX: Final = "tuft."


def checkpoint_link(checkpoint: Checkpoint) -> Link:
    """The first link: the checkpoint, whose file is verified and hashed here, so once for all sizes.

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
        origin: The link it was made from.
        model: The graph; its notes `tuft.network` and `tuft.blend` become part of the link.
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
    """What lies beside a graph's file: its link as by `onnx_link`, and under `checkpoint` the whole link before it."""
    return {**onnx_link(checkpoint, model, serialised, size=size, precision=precision), "checkpoint": checkpoint}


def record_path(file: Path) -> Path:
    """Where the record of a graph or an engine is: `model_1024.onnx` -> `model_1024.onnx.json`."""
    return file.with_name(file.name + ".json")


def write_record(file: Path, record: Link) -> None:
    """Writes the record of a graph or an engine beside its file, wholly or not at all."""
    write_atomically(record_path(file), (json.dumps(record, indent=2) + "\n").encode())


def read_record(file: Path) -> Link:
    """Reads the record that lies beside a graph or an engine.

    Raises:
        PublishError: There is none, or it is damaged.
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
    """The chain of `model_<size>.plan`, as `tuft-export engine` left it in `folder` with its graph and their records.

    Raises:
        PublishError: A record is missing or damaged, or a file is not what its record says.
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
    # The graph may have stayed where it was exported; its hash is in the chain.
    for file, expected in ((graph_file, hashes[1]), (plan_file, hashes[2])):
        if file.is_file() and file_sha256(file) != expected:
            raise PublishError(f"{file} is not the file that its record tells of: build it again.")
    return chain


def write_version(folder: Path, *, version: str, chain: Sequence[Link], options: Mapping[str, Any]) -> None:
    """Writes the `provenance.json` of a version folder that is complete, still under a name that begins with a dot.

    Args:
        folder: Lies in the folder of its model.
        version: Name it will get.
        chain: From the weights to the served file.
        options: What was asked for when it was published.
    """
    details = {"options": options, "python": platform.python_version(), "platform": platform.platform()}
    provenance.write(folder, model=folder.absolute().parent.name, version=version, chain=chain, details=details)


def _tools() -> dict[str, str]:
    return {name: version for name in _TOOLS if (version := _installed(name))}


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
