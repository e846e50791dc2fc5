"""`tuft-export engine`: builds and verifies TensorRT engines on the machine that will serve them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tuft import contract
from tuft.cli._shared import DONE, add_command
from tuft_export.cli._checkpoint import add_checkpoint, chosen_checkpoint
from tuft_export.engines.build import Machine, build_engine, this_machine
from tuft_export.engines.builder import DEFAULT_OPTIMIZATION_LEVEL, Tuning
from tuft_export.engines.files import EngineFiles
from tuft_export.engines.graph import GraphOptions, exported_graph
from tuft_export.errors import EngineError
from tuft_export.graph_metadata import PRECISIONS
from tuft_export.graphs.provider import GraphSource

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands, "engine", _run, "build verified TensorRT engines on the machine that will serve them"
    )
    add_checkpoint(parser)
    parser.add_argument(
        "--size", type=int, action="append", required=True, metavar="S", help="working size in pixels; may be repeated"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of the graph (default: %(default)s)")
    parser.add_argument("--device", metavar="NAME", help="required name of the GPU, such as L4; others are refused")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("engines"), metavar="DIR", help="one folder for each kind of GPU"
    )
    parser.add_argument("--workspace-mb", type=int, metavar="N", help="scratch for one layer (default: the whole GPU)")
    parser.add_argument(
        "--optimization-level",
        type=int,
        default=DEFAULT_OPTIMIZATION_LEVEL,
        metavar="N",
        help="0 to 5; higher builds longer (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="build again even if nothing has changed")
    halves = parser.add_mutually_exclusive_group()
    halves.add_argument("--onnx-only", action="store_true", help="export the graphs; needs torch, but no GPU")
    halves.add_argument("--no-export", action="store_true", help="use the existing graphs; needs no torch")


def _run(options: argparse.Namespace) -> int:
    targets = _files(options)
    tuning = Tuning(workspace_mb=options.workspace_mb, optimization_level=options.optimization_level)
    # A missing GPU is reported before a long export, not after it.
    machine = None if options.onnx_only else this_machine(options.device)
    if not options.no_export:
        _export(targets, options)
    if machine is not None:
        _build(targets, machine, tuning, force=options.force)
    return DONE


def _files(options: argparse.Namespace) -> list[EngineFiles]:
    for size in options.size:
        if size not in contract.MODELS:
            known = ", ".join(map(str, contract.SIZES))
            raise EngineError(f"There is no model of size {size}: choose from {known}.")
    return [EngineFiles(options.output, size) for size in dict.fromkeys(options.size)]


def _export(targets: list[EngineFiles], options: argparse.Namespace) -> None:
    source = GraphSource(chosen_checkpoint(options))
    graph_options = GraphOptions(options.blend, options.precision)
    for files in targets:
        is_new = exported_graph(source, files, graph_options, force=options.force)
        print(f"{files.graph}: {'exported' if is_new else 'unchanged'}", flush=True)


def _build(targets: list[EngineFiles], machine: Machine, tuning: Tuning, *, force: bool) -> None:
    for files in targets:
        engine = build_engine(machine, files, tuning, force=force, progress=sys.stderr.isatty())
        record = engine.record
        if engine.verification is None:
            print(f"{files.plan}: unchanged", flush=True)
        else:
            print(
                f"{files.plan}: built in {record['build_s']:.0f} s for {record['gpu']} with TensorRT "
                f"{record['tensorrt']}\n{engine.verification}",
                flush=True,
            )
