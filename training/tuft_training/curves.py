"""Training curves as a picture."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def save_curves(table: Path, picture: Path) -> None:
    """Draw loss, IoU and MAE of a CSV with the columns step, loss, iou and mae over the steps."""
    from matplotlib.figure import Figure

    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    figure = Figure(figsize=(9, 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, 3), ("loss", "iou", "mae"), strict=True):
        axes.plot(steps, [float(row[name]) for row in rows], marker=".")
        axes.set_title(name)
        axes.set_xlabel("steps")
        axes.grid(alpha=0.3)
    temporary = picture.with_name(picture.name + ".part")
    figure.savefig(temporary, format="png", dpi=80)
    temporary.replace(picture)
