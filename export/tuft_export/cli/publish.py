"""`tuft-export publish`: exports graphs into the model repository."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tuft import contract
from tuft.cli._shared import DONE, add_command, add_repository, repository_of
from tuft.contract import RUNTIMES
from tuft_export.cli._checkpoint import add_checkpoint, chosen_checkpoint
from tuft_export.graph_metadata import PRECISIONS
from tuft_export.publishing.publish import VERSION, PublishOptions, publish, publish_matting

if TYPE_CHECKING:
    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "publish", _run, "fill the model repository")
    add_checkpoint(parser)
    parser.add_argument("--runtime", choices=RUNTIMES, default="python")
    parser.add_argument("--sizes", type=int, nargs="+", default=contract.SIZES, metavar="S")
    add_repository(parser)
    parser.add_argument("--engines", type=Path, metavar="DIR", help="for tensorrt: the output of `tuft-export engine`")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: fp32; for tensorrt that of the engines")
    parser.add_argument(
        "--matting", action=argparse.BooleanOptionalAction, default=True, help="the matting stage as well (default)"
    )
    parser.add_argument("--version", default=VERSION, metavar="N", help="the version folder (default: %(default)s)")


def _run(options: argparse.Namespace) -> int:
    asked = PublishOptions(
        repository=repository_of(options),
        runtime=options.runtime,
        sizes=tuple(options.sizes),
        blend=options.blend,
        precision=options.precision,
        engines=options.engines,
        version=options.version,
    )
    folders = publish(chosen_checkpoint(options), asked)
    if options.matting:
        folders.append(publish_matting(asked))
    for folder in folders:
        print(folder)
    return DONE
