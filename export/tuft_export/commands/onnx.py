"""`tuft-export onnx`: one size as an ONNX graph, with its proof."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tuft.errors import SetupError
from tuft.images import write_atomically
from tuft_export import checkpoints
from tuft_export.commands._checkpoint import add_checkpoint

if TYPE_CHECKING:
    import argparse

    from tuft_export.commands import Commands


def add_to(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("onnx", help="export one size as an ONNX graph, with its proof")
    add_checkpoint(parser)
    parser.add_argument("--size", type=int, required=True, metavar="S", help="side of the square input in pixels")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: inspyrenet_<S>.onnx")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.size <= 0 or options.size % 32:
        raise SetupError(f"The size must be a multiple of 32 pixels, not {options.size}.")
    try:
        from tuft_export.onnx_from_torch import ExportOptions, onnx_from_torch
        from tuft_export.parity import parity_report
    except ImportError as exc:
        raise SetupError(f"Exporting needs torch: pip install 'tuft[export]' ({exc}).") from exc
    network = checkpoints.load_network(checkpoints.checkpoint_from_name(options.checkpoint))
    export = ExportOptions(options.size, options.blend)
    model = onnx_from_torch(network, export)
    report = parity_report(model, network, export)
    print(report)
    report.require()
    target: Path = options.output or Path(f"inspyrenet_{options.size}.onnx")
    proof = json.dumps(report.to_dict(), indent=2) + "\n"
    write_atomically(target.with_suffix(".parity.json"), proof.encode())
    write_atomically(target, model.SerializeToString())
    print(target)
