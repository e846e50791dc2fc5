"""Options that name a checkpoint, shared by the commands that export one."""

from __future__ import annotations

import argparse

from tuft_export.checkpoints import Checkpoint, checkpoint_from_name


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Adds `--checkpoint`, `--base-size` and `--blend`."""
    parser.add_argument(
        "--checkpoint", default="demo", metavar="NAME",
        help="a name from `weights list`, or a .safetensors or .pth file (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--base-size",
        type=int,
        metavar="PIXELS",
        help="side that a .pth file was trained for; other files record it",
    )
    parser.add_argument(
        "--blend",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="pyramid blending (default: above the checkpoint's base size)",
    )


def chosen_checkpoint(options: argparse.Namespace) -> Checkpoint:
    """The checkpoint that the options of `add_checkpoint` name.

    Raises:
        CheckpointError: There is no such checkpoint, or its base size is missing.
    """
    return checkpoint_from_name(options.checkpoint, options.base_size)
