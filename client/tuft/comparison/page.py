"""The page of a comparison: what was found, model by model and photograph by photograph."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from PIL import Image

from tuft.comparison.figures import LEAST_FOR_INTERVAL
from tuft.report import LONG_SIDE_PX, Exhibit, Layer, Run, Table, fitting_px, html_report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuft.comparison.figures import Figures, Verdict
    from tuft.comparison.outcome import Outcome

_NO_INTERVALS: Final = "Intervals need SciPy: pip install 'tuft-matting[experiments]'."


class _Column(NamedTuple):
    """A figure: its heading and its digits after the point."""

    heading: str
    digits: int


_COLUMNS: Final = {
    "mae": _Column("mean absolute error", 4),
    "iou": _Column("IoU", 3),
    "band_sad": _Column("SAD in the band", 2),
    "band_gradient": _Column("gradient error in the band", 2),
    "edge_sharpness": _Column("edge sharpness", 3),
    "boundary_f": _Column("boundary F", 3),
    "quality_score": _Column("quality score, estimated", 3),
    "agreement": _Column("agreement with the others", 3),
    "seconds": _Column("seconds", 2),
    "network_seconds": _Column("of these, network", 2),
}


def scene(
    name: str,
    photo: NDArray[np.uint8],
    truth: NDArray[np.float32] | None,
    ran: Mapping[str, Outcome],
    figures: Mapping[str, Figures],
    folder: Path,
) -> Exhibit:
    """One photograph with the cut-out of each model; pictures are reduced at once.

    Args:
        name: Of the photograph.
        photo: uint8 [h, w, 3].
        truth: [h, w], 0..1; None without truth.
        ran: What each model made of it.
        figures: Of each model.
        folder: Where the page will be.
    """
    layers = [Layer("photograph", Image.fromarray(photo)).reduced(LONG_SIDE_PX)]
    if truth is not None:
        levels = np.rint(truth * 255).astype(np.uint8)
        layers.append(Layer("truth", Image.fromarray(levels)).reduced(LONG_SIDE_PX))
    runs = []
    for model, one in ran.items():
        if one.file is not None:
            with Image.open(one.file) as picture:
                cutout = picture.convert("RGBA")
            layers += [
                Layer(f"alpha, {model}", cutout.getchannel("A")).reduced(LONG_SIDE_PX),
                Layer(f"cut-out, {model}", cutout).reduced(LONG_SIDE_PX),
            ]
        href = None if one.file is None else Path(os.path.relpath(one.file, folder)).as_posix()
        runs.append(Run(model, one.milliseconds, f"{one.note}; {_told(figures[model])}", href))
    least = min(each.agreement for each in figures.values())
    found = all(each.found for each in figures.values())
    note = "" if found else "Not every model finds a subject; where one finds none, its alpha counts as empty."
    cutouts = [layer.name for layer in layers if layer.name.startswith("cut-out")]
    pair = (cutouts[0], cutouts[1]) if len(cutouts) > 1 else None
    return Exhibit(name, note, layers, runs, {"least agreement": f"{least:.3f}"}, pair=pair)


def html(
    models: Sequence[str],
    figures: Mapping[str, Mapping[str, Figures]],
    agreement: NDArray[np.float64],
    verdict: Verdict,
    scenes: Sequence[Exhibit],
) -> str:
    """The page; the photographs on which the models agree least come first."""
    order = sorted(figures, key=lambda name: min(each.agreement for each in figures[name].values()))
    by_name = {one.name: one for one in scenes}
    long_side_px = fitting_px(len(scenes) * len(models))
    count = "1 photograph" if len(scenes) == 1 else f"{len(scenes)} photographs"
    return html_report(
        [by_name[name].reduced(long_side_px) for name in order],
        title="Models",
        subtitle=f"{len(models)} models, {count}. {verdict}",
        tables=(_table(verdict), _pairs(models, agreement)),
    )


def _table(verdict: Verdict) -> Table:
    shown = [key for key in _COLUMNS if key in next(iter(verdict.means.values())).by_name]
    headings = ["model", *(["best on"] if verdict.wins else []), "subject found", *(_COLUMNS[k].heading for k in shown)]
    rows = []
    for name, means in verdict.means.items():
        wins = [f"{verdict.wins[name]} of {verdict.photographs}"] if verdict.wins else []
        found = f"{means.by_name['found'].value:.0%}"
        rows.append([name, *wins, found, *(means.by_name[key].shown(_COLUMNS[key].digits) for key in shown)])
    has_intervals = any(mean.low is not None for mean in next(iter(verdict.means.values())).by_name.values())
    note = "Means over the photographs, with 95 % bootstrap intervals." if has_intervals else "Means."
    if not has_intervals and verdict.photographs >= LEAST_FOR_INTERVAL:
        note = f"{note} {_NO_INTERVALS}"
    return Table("Models", headings, rows, note)


def _pairs(models: Sequence[str], agreement: NDArray[np.float64]) -> Table:
    rows = [[name, *(f"{value:.3f}" for value in agreement[number])] for number, name in enumerate(models)]
    note = "Mean soft intersection over union of two models' alphas: 1 is the same cut-out."
    return Table("Agreement", ["", *models], rows, note)


def _told(figures: Figures) -> str:
    """The figures of one cut-out in one line."""
    values: dict[str, Any] = figures.to_dict()
    keys = ("mae", "iou", "band_sad", "quality_score", "agreement")
    return ", ".join(f"{_COLUMNS[key].heading} {values[key]:.{_COLUMNS[key].digits}f}" for key in keys if key in values)
