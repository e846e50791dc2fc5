"""`tuft presets`: lists the presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuft.cli._shared import DONE, add_command
from tuft.presets import PRESETS
from tuft.text import aligned_table

if TYPE_CHECKING:
    import argparse

    from tuft.cli._shared import Commands


def add_to(commands: Commands) -> None:
    """Adds the command."""
    add_command(commands, "presets", _run, "list the presets")


def _run(_: argparse.Namespace) -> int:
    rows = [("preset", "size", "resize", "refinement", "meaning")]
    rows += [
        (preset.name, str(preset.size or "by photo"), preset.resize, preset.refine, preset.summary)
        for preset in PRESETS.values()
    ]
    print(aligned_table(rows))
    return DONE
