"""`tuft presets`: what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft.cli import DONE, add_command
from tuft.presets import PRESETS

if TYPE_CHECKING:
    import argparse

    from tuft.cli import Commands


def add_to(commands: Commands) -> None:
    """Declares the command."""
    add_command(commands, "presets", _run, "list the presets")


def _run(_: argparse.Namespace) -> int:
    rows = [("preset", "size", "resize", "refinement", "meaning")]
    rows += [
        (preset.name, str(preset.size or "by photo"), preset.resize, preset.refine, preset.summary)
        for preset in PRESETS.values()
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return DONE
