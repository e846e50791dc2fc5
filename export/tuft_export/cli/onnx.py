"""`tuft-export onnx`: one size as an ONNX graph, with its proofs and its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuft.errors import SetupError
from tuft.files import write_atomically
from tuft_export.cli._checkpoint import add_checkpoint, chosen_checkpoint
from tuft_export.graphs.provider import GraphSource, in_precision
from tuft_export.graphs.weightless import PRECISIONS
from tuft_export.provenance import graph_record, write_record

if TYPE_CHECKING:
    import argparse

    import onnx

    from tuft_export.cli import Commands


def add_to(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("onnx", help="export one size as an ONNX graph, with its proof")
    add_checkpoint(parser)
    parser.add_argument("--size", type=int, required=True, metavar="S", help="side of the square input in pixels")
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="fp32", help="what it computes in (default: %(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: inspyrenet_<S>.onnx")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.size <= 0 or options.size % 32:
        raise SetupError(f"The size must be a multiple of 32 pixels, not {options.size}.")
    source = GraphSource(chosen_checkpoint(options))
    origin = source.link
    model, proof = _proven(source, options)
    for sentence in _refusals(model):
        print(f"TensorRT would refuse {sentence}")
    target: Path = options.output or Path(f"inspyrenet_{options.size}.onnx")
    content = model.SerializeToString()
    write_atomically(target.with_suffix(".parity.json"), (json.dumps(proof, indent=2) + "\n").encode())
    write_atomically(target, content)
    write_record(target, graph_record(origin, model, content, size=options.size, precision=options.precision))
    print(target)


def _proven(source: GraphSource, options: argparse.Namespace) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The graph in the precision asked for, and what its proofs say."""
    model, parity = source.exported(options.size, options.blend, thorough=True)
    print(parity)
    if options.precision == "fp32":
        return model, parity.to_dict()
    halved, report = in_precision(model, options.precision, thorough=True)
    print(report)
    return halved, {**parity.to_dict(), "precision": report.to_dict()}


def _refusals(model: onnx.ModelProto) -> list[str]:
    from tuft_export.graphs.tensorrt_support import refused_nodes

    return refused_nodes(model)
