"""`tuft-export publish`: fill the model repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tuft import contract
from tuft_export.cli._checkpoint import add_checkpoint, chosen_checkpoint
from tuft_export.graphs.weightless import PRECISIONS
from tuft_export.publishing.publish import RUNTIMES, VERSION, PublishOptions, publish

if TYPE_CHECKING:
    import argparse

    from tuft_export.cli import Commands


def add_to(commands: Commands) -> None:
    """Declares the command."""
    parser = commands.add_parser("publish", help="fill the model repository")
    add_checkpoint(parser)
    parser.add_argument("--runtime", choices=RUNTIMES, default="python")
    parser.add_argument("--sizes", type=int, nargs="+", default=contract.SIZES, metavar="S")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"), metavar="DIR")
    parser.add_argument("--engines", type=Path, metavar="DIR", help="for tensorrt: what `tuft-export engine` has made")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: fp32; for tensorrt that of the engines")
    parser.add_argument("--version", default=VERSION, metavar="N", help="the version folder (default: %(default)s)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    folders = publish(
        chosen_checkpoint(options),
        PublishOptions(
            repository=options.repository,
            runtime=options.runtime,
            sizes=tuple(options.sizes),
            blend=options.blend,
            precision=options.precision,
            engines=options.engines,
            version=options.version,
        ),
    )
    for folder in folders:
        print(folder)
