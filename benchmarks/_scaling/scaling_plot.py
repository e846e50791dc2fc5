"""The plot of `scaling.py`: time and memory along each axis on log-log scales, with the fitted power laws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LABELS: Final = {"seconds": ("time, s", 1.0), "peak_bytes": ("memory, GB", 1e9)}
AXES: Final = {"size": "working size, pixels", "batch": "batch", "photo": "photograph, megapixels"}


def plot(data: Mapping[str, Any], path: Path) -> None:
    """Plots the result of `scaling.measured` into .svg and .png files beside `path`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    axes = [axis for axis in AXES if any(row["axis"] == axis for row in data["rows"])]
    figure, panels = plt.subplots(len(_LABELS), len(axes), figsize=(4 * len(axes), 6), squeeze=False)
    for column, axis in enumerate(axes):
        for row, cost in enumerate(_LABELS):
            _panel(panels[row][column], data, axis, cost)
    figure.tight_layout()
    for suffix in (".svg", ".png"):
        figure.savefig(path.with_suffix(suffix), metadata={"Date": None} if suffix == ".svg" else None)
    plt.close(figure)


def _panel(panel: Any, data: Mapping[str, Any], axis: str, cost: str) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    label, unit = _LABELS[cost]
    rows = [row for row in data["rows"] if row["axis"] == axis]
    laws = {fit["contestant"]: fit for fit in data["fits"] if (fit["axis"], fit["cost"]) == (axis, cost)}
    for contestant in dict.fromkeys(row["contestant"] for row in rows):
        points = [(row["x"], row[cost] / unit) for row in rows if row["contestant"] == contestant]
        x, y = zip(*points, strict=True)
        law = laws.get(contestant)
        name = f"{contestant}, exponent {law['exponent']:.2f}" if law else contestant
        (marks,) = panel.plot(x, y, "o", label=name)
        if law:
            panel.plot(x, [law["factor"] * at ** law["exponent"] / unit for at in x], color=marks.get_color(), lw=1)
    panel.set(xscale="log", yscale="log", xlabel=AXES[axis], ylabel=label)
    panel.xaxis.set_major_locator(FixedLocator(sorted({row["x"] for row in rows})))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:g}"))
    panel.legend(fontsize="small")
    panel.grid(alpha=0.3)
