"""Keeps and plots training curves."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from tuft.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def append_row(table: Path, row: Mapping[str, float]) -> None:
    """Appends a row to a CSV file; the first one brings the names of the columns."""
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def save_curves(table: Path, picture: Path) -> None:
    """Plots loss, IoU and MAE over the steps, from a CSV file with the columns step, loss, iou and mae."""
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    write_atomically(picture, buffer.getvalue())
