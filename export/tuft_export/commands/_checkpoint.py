"""The arguments that name a network, shared by every command that exports one."""

from __future__ import annotations

import argparse


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Adds `--checkpoint` and `--blend`."""
    parser.add_argument(
        "--checkpoint", default="demo", metavar="NAME", help="a name from `weights list`, or a .safetensors file"
    )
    parser.add_argument(
        "--blend",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="pyramid blending (default: above the checkpoint's base size)",
    )
