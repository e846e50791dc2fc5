"""`tuft-export sam2`: exports SAM 2.1, which takes prompts, into the model repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tuft.cli._shared import DONE, add_command, add_repository, repository_of
from tuft.files import file_hash
from tuft_export.errors import CheckpointError, ExportError
from tuft_export.provenance import checkpoint_link
from tuft_export.sam2.weights import DEFAULT, WEIGHTS, load_folder, load_model

if TYPE_CHECKING:
    import argparse

    from transformers import Sam2Model

    from tuft.cli._shared import Commands
    from tuft.provenance import Link

_RUNTIMES = ("python", "onnxruntime")


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(commands, "sam2", _run, "export SAM 2.1, which takes points and boxes, with a parity check")
    parser.add_argument(
        "--weights", default=DEFAULT, metavar="NAME",
        help=f"{', '.join(WEIGHTS)}, downloaded and verified; or a folder with config.json and model.safetensors as "
             "transformers saves them (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--runtime", choices=_RUNTIMES, default="python")
    add_repository(parser)
    parser.add_argument("--version", default="1", metavar="N", help="the version folder (default: %(default)s)")


def _run(options: argparse.Namespace) -> int:
    model, origin = _network(options.weights)
    try:
        from tuft_export.sam2.publish import Sam2Options, publish_sam2
    except ImportError as exc:
        raise ExportError(f"Exporting SAM 2 needs pip install 'tuft-matting[sam2]' ({exc}).") from exc
    asked = Sam2Options(repository_of(options), options.runtime, options.version)
    published = publish_sam2(model, origin, asked)
    print(published.proof)
    for folder in published.folders:
        print(folder)
    return DONE


def _network(name: str) -> tuple[Sam2Model, Link]:
    if name in WEIGHTS:
        row = WEIGHTS[name]
        model = load_model(row, progress=sys.stderr.isatty())
        return model, checkpoint_link(row.checkpoint)
    folder = Path(name)
    if not folder.is_dir():
        raise CheckpointError(f"There are no weights {name!r}: give {', '.join(WEIGHTS)}, or a folder.")
    model = load_folder(folder)
    link = {"kind": "checkpoint", "name": folder.resolve().name, "sha256": file_hash(folder / "model.safetensors")}
    return model, {**link, "url": None, "licence": "unknown"}
