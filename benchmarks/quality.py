"""How good are the cut-outs? Matting errors, edge sharpness, colours and time of every preset, with exact alpha.

    python benchmarks/quality.py [--photos DIR] [--scenes N] [--against transparent-background]

Starts a server of the published model repository unless `--url` names a running one. Every figure is given for the
whole picture, for the unknown band (the true transition and 10 pixels around it) and for the rest. Ratios are means
over pictures with a bootstrap interval. A picture whose subject `stable` misses is no test of edges, so figures are
given for all pictures and for those where it finds the subject (IoU > 0.8).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.machine import machine
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from _lib.serving import serving
from tqdm import tqdm

from tuft import Client, NoSubjectError
from tuft.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tuft.presets import Refinement

with packages():
    from _lib.cases import Case, composites, held_out_scenes
    from _lib.comparison import compared
    from _quality.quality_report import report

    from tuft_training.measures import boundary_f, edge_sharpness, error_maps, intersection_over_union, unknown_band

FOUND_IOU: Final = 0.8
_PEER: Final = "transparent-background"
_WORST: Final = 5


@dataclass(frozen=True)
class Variant:
    """One way to cut out.

    Attributes:
        name: Name in tables.
        preset: One of `tuft.PRESETS`.
        refine: Refinement in place of the preset's.
        peer_colours: Whether colours are estimated as in transparent-background.
    """

    name: str
    preset: str
    refine: Refinement | None = None
    peer_colours: bool = False


VARIANTS: Final = (
    Variant("stable", "stable"),
    Variant("standard, unrefined", "standard", "none"),
    Variant("standard", "standard"),
    Variant("high", "high"),
    Variant("maximum", "maximum"),
)
# Its alpha equals that of `stable` (tests/server/test_reference.py); only the colour estimation differs.
PEER: Final = Variant(_PEER, "stable", peer_colours=True)


@dataclass(frozen=True)
class Score:
    """The figures of one variant on one picture.

    Attributes:
        figures: By name, such as `sad band`.
        milliseconds: By stage.
        alpha: uint8 [h, w].
    """

    figures: Mapping[str, float]
    milliseconds: Mapping[str, float]
    alpha: NDArray[np.uint8] = field(repr=False)


Scores = dict[str, dict[str, Score]]  # by variant, by picture


def score(case: Case, alpha: NDArray[np.uint8], foreground: NDArray[np.uint8]) -> dict[str, float]:
    """Computes all figures of a cut-out, for the whole picture, the unknown band and the rest."""
    ours = alpha.astype(np.float32) / 255
    band = unknown_band(case.alpha)
    maps = error_maps(ours, case.alpha)
    figures = {
        "iou": intersection_over_union(ours > 0.5, case.alpha > 0.5),
        "boundary F": boundary_f(ours > 0.5, case.alpha > 0.5),
        "edge sharpness": edge_sharpness(ours, case.alpha, band),
        "colour": colour_error(case, foreground),
    }
    for part, mask in (("whole", None), ("band", band), ("rest", ~band)):
        figures |= {f"{name} {part}": value for name, value in asdict(maps.over(mask)).items()}
    return figures


def colour_error(case: Case, foreground: NDArray[np.uint8]) -> float:
    """Mean of a·|F − F*| (0..255) over 0.02 < a < 0.98 of the true alpha: the visible part of a wrong colour."""
    soft = (case.alpha > 0.02) & (case.alpha < 0.98)
    difference = np.abs(foreground[soft].astype(np.float32) - case.foreground[soft]).mean(axis=-1)
    return float((case.alpha[soft] * difference).mean()) if soft.any() else 0.0


def measure(client: Client, cases: Iterable[Case], variants: Sequence[Variant]) -> Scores:
    """Measures every variant on every picture."""
    scores: Scores = defaultdict(dict)
    for case in cases:
        for variant in variants:
            scores[variant.name][case.name] = _scored(client, case, variant)
    return dict(scores)


def _scored(client: Client, case: Case, variant: Variant) -> Score:
    try:
        cutout = client.remove(case.photo, preset=variant.preset, refine=variant.refine)
    except NoSubjectError:
        nothing = np.zeros(case.alpha.shape, np.uint8)
        return Score(score(case, nothing, case.photo), {}, nothing)
    milliseconds, foreground = dict(cutout.milliseconds), cutout.foreground
    if variant.peer_colours:
        began_s = time.perf_counter()
        foreground = peer_foreground(cutout.photo, cutout.alpha)
        milliseconds["colours"] = (time.perf_counter() - began_s) * 1e3
    return Score(score(case, cutout.alpha, foreground), milliseconds, cutout.alpha)


def peer_foreground(photo: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colours of `Remover.process(type="rgba")`: uint8 [h, w, 3]."""
    from pymatting import estimate_foreground_ml

    estimate = estimate_foreground_ml(photo / 255.0, alpha / np.float64(255))
    foreground: NDArray[np.uint8] = (255 * np.clip(estimate, 0, 1) + 0.5).astype(np.uint8)
    return foreground


def found(scores: Scores) -> list[str]:
    """Names of the pictures whose subject the first variant finds."""
    return _found({name: one.figures for name, one in next(iter(scores.values())).items()})


def _found(figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    return [name for name, one in figures.items() if one["iou"] > FOUND_IOU]


def figures_table(scores: Scores, names: Sequence[str]) -> str:
    """Formats mean figures over the named pictures, one row per variant."""
    columns = list(next(iter(next(iter(scores.values())).values())).figures)
    rows = [["variant", *columns], ["---"] + ["---:"] * len(columns)]
    for variant, by_picture in scores.items():
        means = [np.mean([by_picture[name].figures[column] for name in names]) for column in columns]
        rows.append([f"`{variant}`", *(f"{mean:.4f}" if mean < 1 else f"{mean:.2f}" for mean in means)])
    return markdown_table(rows)


# Pairs of variants to compare, and the figures to compare them by.
COMPARISONS: Final = (
    ("standard", "standard, unrefined", ("gradient whole", "gradient band", "sad whole", "sad band", "edge sharpness")),
    ("standard", "stable", ("gradient whole", "sad whole", "edge sharpness")),
    ("maximum", "stable", ("gradient whole", "gradient band", "sad whole", "edge sharpness", "boundary F")),
    ("maximum", "high", ("gradient whole", "sad whole", "edge sharpness")),
    ("standard", _PEER, ("colour", "gradient whole", "sad whole")),
)


def comparisons_table(scores: Scores, names: Sequence[str]) -> str:
    """Formats mean ratios with their intervals, and the pictures with the largest ratios."""
    rows = [["figure", "of", "to", "mean ratio (95 %)", "largest ratios"], ["---"] * 5]
    for ours, theirs, figures in COMPARISONS:
        for figure in figures if theirs in scores and ours in scores else ():
            of, to = ({name: scores[v][name].figures[figure] for name in names} for v in (ours, theirs))
            comparison = compared(of, to)
            worst = ", ".join(f"{name} {ratio:.2f}" for name, ratio in comparison.largest(_WORST))
            rows.append([figure, f"`{ours}`", f"`{theirs}`", str(comparison), worst])
    return markdown_table(rows)


# What docs/measurements.md tells of them.
_SUMMARY: Final = (
    ("gradient error", "standard", "standard, unrefined", "gradient whole"),
    ("sum of absolute errors", "standard", "standard, unrefined", "sad whole"),
    ("edge sharpness", "maximum", "stable", "edge sharpness"),
    ("sum of absolute errors", "maximum", "stable", "sad whole"),
)


def table(data: Mapping[str, Any]) -> str:
    """The most telling ratios of what `write` leaves: over all pictures, and where a subject is found."""
    figures = data["figures"]
    everything, known = list(figures[VARIANTS[0].name]), _found(figures[VARIANTS[0].name])
    parts = [f"all {len(everything)} pictures", f"the {len(known)} whose subject was found"]
    rows = [["mean ratio (95 %)", "of", "to", *parts], ["---"] * 5]
    for title, ours, theirs, figure in _SUMMARY:
        of, to = ({name: one[figure] for name, one in figures[variant].items()} for variant in (ours, theirs))
        ratios = [compared(of, {name: to[name] for name in names}) for names in (everything, known)]
        rows.append([title, f"`{ours}`", f"`{theirs}`", *map(str, ratios)])
    return f"{data['machine']}\n\n{markdown_table(rows)}"


def times_table(scores: Scores) -> str:
    """Formats median milliseconds by stage, one row per variant."""
    stages = list(dict.fromkeys(s for by in scores.values() for one in by.values() for s in one.milliseconds))
    rows = [["variant", *stages], ["---"] + ["---:"] * len(stages)]
    for variant, by_picture in scores.items():
        served = [one.milliseconds for one in by_picture.values() if one.milliseconds]
        medians = [np.median([milliseconds.get(stage, 0) for milliseconds in served]) for stage in stages]
        rows.append([f"`{variant}`", *(f"{ms:.0f}" for ms in medians)])
    return markdown_table(rows)


def text(scores: Scores) -> str:
    """The complete output as Markdown."""
    names, known = list(next(iter(scores.values()))), found(scores)
    parts = [machine(), f"## All {len(names)} pictures", figures_table(scores, names), comparisons_table(scores, names)]
    if known:
        parts += [
            f"## The {len(known)} whose subject was found",
            figures_table(scores, known),
            comparisons_table(scores, known),
        ]
    return "\n\n".join([*parts, "## Milliseconds by stage, medians", times_table(scores)])


def main() -> None:
    """Measures, prints Markdown, writes JSON and a report."""
    options = _parser().parse_args()
    cases = list(held_out_scenes(options.scenes, (options.height, options.width)))
    if options.photos:
        cases += composites(options.photos)
    if not cases:
        raise SystemExit("There is nothing to measure on: give --photos a folder of composites, or --scenes a number.")
    variants = (*VARIANTS, PEER) if options.against else VARIANTS
    with serving(options.url, options.repository) as url, Client(url) as client:
        scores = measure(client, tqdm(cases, unit="picture"), variants)
    print(text(scores))
    write(options.output, cases, scores)


def write(folder: Path, cases: Sequence[Case], scores: Scores) -> None:
    """Writes the tables, the raw numbers and the report."""
    figures, times, alphas = (
        {variant: {name: getattr(one, part) for name, one in by.items()} for variant, by in scores.items()}
        for part in ("figures", "milliseconds", "alpha")
    )
    raw = {"machine": machine(), "figures": figures, "milliseconds": times}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (
        ("quality.md", text(scores) + "\n"),
        ("quality.json", json.dumps(raw, indent=1) + "\n"),
        ("index.html", report(cases, alphas, figures, times)),
    ):
        write_atomically(folder / name, content.encode())
    print(f"\nTable, raw numbers and pictures are in {folder}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Quality of every preset on pictures with exact alpha.")
    arguments: list[tuple[str, dict[str, Any]]] = [
        ("--photos", {"type": Path, "help": "folder of composites: NAME_image.png beside NAME_fg_rgba.png"}),
        ("--scenes", {"type": int, "default": 24, "help": "number of held-out scenes (default: 24)"}),
        ("--width", {"type": int, "default": 2048, "help": "of the scenes in pixels (default: 2048)"}),
        ("--height", {"type": int, "default": 1536, "help": "of the scenes in pixels (default: 1536)"}),
        ("--against", {"choices": [_PEER], "help": "a peer to compare with"}),
        ("--url", {"help": "gRPC address of a running server (default: start one)"}),
        ("--repository", {"type": Path, "default": Path("model_repository")}),
        ("--output", {"type": Path, "default": Path("out/quality"), "help": "folder of table, raw numbers and report"}),
    ]
    for name, settings in arguments:
        parser.add_argument(name, **settings)
    return parser


if __name__ == "__main__":
    main()
