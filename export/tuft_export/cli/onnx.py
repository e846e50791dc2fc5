"""`tuft-export onnx`: exports one size as an ONNX graph, with its parity report and provenance record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuft.cli._shared import DONE, add_command
from tuft.errors import SetupError
from tuft.files import write_atomically
from tuft_export.cli._checkpoint import add_checkpoint, chosen_checkpoint
from tuft_export.graph_metadata import PRECISIONS
from tuft_export.graphs.provider import GraphSource, in_precision
from tuft_export.provenance import graph_record, write_record

if TYPE_CHECKING:
    import argparse

    import onnx

    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "onnx", _run, "export one size as an ONNX graph, with a parity check")
    add_checkpoint(parser)
    parser.add_argument("--size", type=int, required=True, metavar="S", help="side of the square input in pixels")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of the graph (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: inspyrenet_<S>.onnx")


def _run(options: argparse.Namespace) -> int:
    if options.size <= 0 or options.size % 32:
        raise SetupError(f"The size must be a multiple of 32 pixels, not {options.size}.")
    source = GraphSource(chosen_checkpoint(options))
    origin = source.link
    model, parity = _verified_graph(source, options)
    for node in _refused_nodes(model):
        print(f"TensorRT would refuse {node}")
    target: Path = options.output or Path(f"inspyrenet_{options.size}.onnx")
    content = model.SerializeToString()
    write_atomically(target.with_suffix(".parity.json"), (json.dumps(parity, indent=2) + "\n").encode())
    write_atomically(target, content)
    write_record(target, graph_record(origin, model, content, size=options.size, precision=options.precision))
    print(target)
    return DONE


def _verified_graph(source: GraphSource, options: argparse.Namespace) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The graph in the requested precision, and its parity reports."""
    model, parity = source.exported(options.size, options.blend, thorough=True)
    print(parity)
    if options.precision == "fp32":
        return model, parity.to_dict()
    halved, report = in_precision(model, options.precision, thorough=True)
    print(report)
    return halved, {**parity.to_dict(), "precision": report.to_dict()}


def _refused_nodes(model: onnx.ModelProto) -> list[str]:
    from tuft_export.graphs.tensorrt_support import refused_nodes

    return refused_nodes(model)
