"""The graph that an engine is built from: exported once, and reused until an option changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tuft
from tuft.files import write_atomically
from tuft_export.engines.files import verified_record
from tuft_export.errors import EngineError
from tuft_export.provenance import graph_record, write_record

if TYPE_CHECKING:
    from tuft.provenance import Link
    from tuft_export.engines.files import EngineFiles
    from tuft_export.graphs.provider import GraphSource


@dataclass(frozen=True)
class GraphOptions:
    """Options of the graph.

    Attributes:
        blend: As in `ExportOptions`: None blends above the checkpoint's base size.
        precision: fp32, fp16 or bf16.
    """

    blend: bool | None = None
    precision: str = "fp32"


def exported_graph(source: GraphSource, files: EngineFiles, options: GraphOptions, *, force: bool = False) -> bool:
    """Writes the graph and its record, unless they are up to date.

    Args:
        source: The checkpoint's graphs.
        files: The paths of the size.
        options: Options of the graph.
        force: Export even if the graph is up to date.

    Returns:
        Whether the graph is new.

    Raises:
        CheckpointError: The weights are missing or not the published ones.
        PublishError: Exporting needs torch, which is not installed.
    """
    record = verified_record(files.graph)
    if not force and record is not None and _is_up_to_date(record, source, files, options):
        return False
    model = source.graph(files.size, options.blend, options.precision)
    content = model.SerializeToString()
    files.folder.mkdir(parents=True, exist_ok=True)
    # The graph before its record: a record that does not match its file is ignored.
    write_atomically(files.graph, content)
    write_record(files.graph, graph_record(source.link, model, content, size=files.size, precision=options.precision))
    return True


def graph_in_place(files: EngineFiles) -> Link:
    """The record of the existing graph.

    Raises:
        EngineError: There is no graph of this size, or it does not match its record.
    """
    record = verified_record(files.graph)
    if record is None or record.get("kind") != "onnx" or record.get("size") != files.size:
        raise EngineError(
            f"{files.graph} is not there with its record: export it with `tuft-export engine --onnx-only --size "
            f"{files.size}` where torch is installed."
        )
    return record


def _is_up_to_date(record: Link, source: GraphSource, files: EngineFiles, options: GraphOptions) -> bool:
    try:
        base_size: int = record["network"]["base_size"]
        exporter: str = record["tools"].get("tuft", tuft.__version__)
        actual = (record["checkpoint"], record["size"], record["precision"], record["blend"])
    except (KeyError, TypeError, AttributeError):
        return False
    blend = files.size > base_size if options.blend is None else options.blend
    return exporter == tuft.__version__ and actual == (source.link, files.size, options.precision, blend)
