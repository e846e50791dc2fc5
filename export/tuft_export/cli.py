"""The command line `tuft-export`: weights, graphs, and the model repository."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tuft import contract
from tuft.errors import SetupError, TuftError
from tuft.images import write_atomically
from tuft_export import checkpoints
from tuft_export.repository import RUNTIMES, VERSION, PublishOptions, publish

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code: 0, or 1 with one sentence on standard error; 2 for wrong usage.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except TuftError as exc:
        print(f"tuft-export: {exc}", file=sys.stderr)
        return 1
    except OSError as exc:
        print(f"tuft-export: {exc}: check the path, its permissions and the free space.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tuft-export", description="From a checkpoint to a served model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    weights = commands.add_parser("weights", help="list, fetch and verify checkpoints")
    actions = weights.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="what there is").set_defaults(run=_weights_list)
    for name, run, text in (
        ("pull", _weights_pull, "download and verify one"),
        ("verify", _weights_verify, "check one that is here"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("name", choices=tuple(checkpoints.CHECKPOINTS))
        action.set_defaults(run=run)

    onnx = commands.add_parser("onnx", help="export one size as an ONNX graph, with its proof")
    _add_checkpoint(onnx)
    onnx.add_argument("--size", type=int, required=True, metavar="S", help="side of the square input in pixels")
    onnx.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: inspyrenet_<S>.onnx")
    onnx.set_defaults(run=_onnx)

    into = commands.add_parser("publish", help="fill the model repository")
    _add_checkpoint(into)
    into.add_argument("--runtime", choices=RUNTIMES, default="python")
    into.add_argument("--sizes", type=int, nargs="+", default=contract.SIZES, metavar="S")
    into.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR")
    into.add_argument("--engines", type=Path, metavar="DIR", help="TensorRT plans named model_<size>.plan")
    into.add_argument("--version", default=VERSION, metavar="N", help="the version folder (default: %(default)s)")
    into.set_defaults(run=_publish)
    return parser


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--checkpoint", default="demo", metavar="NAME", help="a name from `weights list`, or a .safetensors file"
    )
    parser.add_argument(
        "--blend",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="pyramid blending (default: above the checkpoint's base size)",
    )


def _weights_list(_: argparse.Namespace) -> None:
    for row in checkpoints.CHECKPOINTS.values():
        state = "here" if row.path.is_file() else "not pulled"
        proof = "md5 published" if row.md5 else "in the package" if row.url is None else "no published hash"
        print(f"{row.name:<13} {state:<11} {proof:<18} {row.licence}")


def _weights_pull(options: argparse.Namespace) -> None:
    row = checkpoints.CHECKPOINTS[options.name]
    print(checkpoints.pull(row, progress=sys.stderr.isatty()))


def _weights_verify(options: argparse.Namespace) -> None:
    row = checkpoints.CHECKPOINTS[options.name]
    print(f"{checkpoints.verify(row)}  {row.path}")


def _onnx(options: argparse.Namespace) -> None:
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


def _publish(options: argparse.Namespace) -> None:
    checkpoint = checkpoints.checkpoint_from_name(options.checkpoint)
    folders = publish(
        checkpoint,
        PublishOptions(
            repository=options.repository,
            runtime=options.runtime,
            sizes=tuple(options.sizes),
            blend=options.blend,
            engines=options.engines,
            version=options.version,
        ),
    )
    for folder in folders:
        print(folder)
