"""`tuft-export adopt`: wraps a third-party ONNX model in the wire contract and publishes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuft.cli._shared import DONE, add_command, add_repository, repository_of
from tuft.errors import SetupError
from tuft.presets import RESIZES
from tuft_export.adopt import ACTIVATIONS, ADOPT_RUNTIMES, NORMALISATIONS, AdoptOptions, adopt

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command."""
    customs = "; ".join(f"{row.name}: {row.summary}" for row in NORMALISATIONS.values())
    parser = add_command(commands, "adopt", _run, "wrap and publish a third-party ONNX model, with a parity check")
    parser.add_argument("model", type=Path, metavar="FILE", help="the .onnx file as its authors publish it")
    parser.add_argument("--name", required=True, help="what the server calls it, for example birefnet_1024")
    parser.add_argument("--normalize", required=True, choices=tuple(NORMALISATIONS), help=f"of pixels x: {customs}")
    parser.add_argument("--output-activation", required=True, choices=ACTIVATIONS, help="maps its output to 0..1")
    parser.add_argument("--size", type=int, metavar="S", help="working size in pixels, where the model leaves it open")
    parser.add_argument("--output", metavar="NAME", help="the output that is the mask, where there are several")
    add_repository(parser)
    resize_help = "its training's: static squashes to a square, dynamic keeps the aspect ratio (default: %(default)s)"
    parser.add_argument("--resize", choices=RESIZES, default="static", help=resize_help)
    parser.add_argument("--runtime", choices=ADOPT_RUNTIMES, default="python")
    parser.add_argument("--max-batch", type=int, metavar="N", help="largest batch (default: by size, as tuft's own)")
    parser.add_argument("--version", default="1", metavar="N", help="the version folder (default: %(default)s)")


def _run(options: argparse.Namespace) -> int:
    adopt_options = AdoptOptions(
        name=options.name,
        normalize=options.normalize,
        output_activation=options.output_activation,
        size=options.size,
        output=options.output,
        repository=repository_of(options),
        runtime=options.runtime,
        max_batch_size=options.max_batch,
        version=options.version,
        resize=options.resize,
    )
    try:
        adopted = adopt(options.model, adopt_options)
    except ImportError as exc:
        raise SetupError(f"Adopting needs onnx and onnxruntime: pip install 'tuft-matting[engines]' ({exc}).") from exc
    print(adopted)
    print(adopted.folder)
    return DONE
