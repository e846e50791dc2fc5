"""The arguments that name a network, shared by every command that exports one."""

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
        help="what a .pth file was trained for; others know theirs",
    )
    parser.add_argument(
        "--blend",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="pyramid blending (default: above the checkpoint's base size)",
    )


def chosen_checkpoint(options: argparse.Namespace) -> Checkpoint:
    """The checkpoint that the arguments of `add_checkpoint` name.

    Raises:
        CheckpointError: There is none, or its base size is missing.
    """
    return checkpoint_from_name(options.checkpoint, options.base_size)
