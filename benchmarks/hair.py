"""How good are edges of hair, fur and leaves: by which network, refined how?

    python benchmarks/hair.py [--real DIR] [--composites DIR] [--backgrounds DIR] [--scenes N] [--isnet FILE]
                              [--rembg FOLDER] [--json FILE] [--page FILE]

Without options: the demo's mattes of held-out scenes. `--real` is a folder with `images` and `masks`: photographs with
measured alpha. `--composites` has NAME_image.png with NAME_fg_rgba.png beside it; with `--backgrounds` these subjects
are also put over other photographs, at 2 to 12 megapixels. `--isnet` is the ONNX graph of IS-Net (npm's
@imgly/background-removal-data 1.4.5, the parts of /models/medium one after the other), for `--real`. `--rembg` is a
virtual environment, made if it is missing: what rembg's own `-a` makes of the same mattes, for `--real` (minutes).

Errors are ratios to those of the network's own matte over the photograph's own colours: means over the pictures whose
subject it finds (IoU above 0.7), with 95 % bootstrap intervals. Times are processor seconds per megapixel, alpha alone.
`--page` shows the worst and the best places.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.machine import machine_facts
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from _lib.rembgs_environment import with_rembg

from tuft import NoSubjectError
from tuft.files import write_atomically

with packages():
    from _hair.figures import MEASURES, errors, summary
    from _hair.inputs import input_sets
    from _hair.networks import networks
    from _hair.page import page, zooms
    from _hair.refinements import refinements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from _hair.networks import Coarse
    from _hair.page import Zoom
    from _hair.refinements import Refinement
    from _lib.cases import Case
    from numpy.typing import NDArray

_FOUND: Final = 0.7
_REAL: Final = "photographs with measured alpha"
_COLUMNS: Final = ("worst SAD", "worst gradient error", "CPU s/MP")


def main() -> None:
    """Runs the command line."""
    options = _parser().parse_args()
    results: dict[str, Any] = {**machine_facts(), "sets": {}}
    shown: list[Zoom] = []
    rembg = with_rembg(options.rembg) if options.rembg else None
    for name, cases in input_sets(options).items():
        is_real = name == _REAL
        results["sets"][name] = {}
        for network, coarse in networks(options.isnet if is_real else None).items():
            with refinements(options.refinements, rembg if is_real else None) as chosen:
                results["sets"][name][network] = measured(f"{name}, {network}", cases(), coarse, chosen, shown)
    print(table(results))
    if options.json:
        write_atomically(options.json, (json.dumps(results, indent=1) + "\n").encode())
    if options.page:
        write_atomically(options.page, page(shown).encode())


def measured(
    title: str, cases: Iterator[Case], coarse_of: Coarse, chosen: Mapping[str, Refinement], shown: list[Zoom]
) -> dict[str, Any]:
    """The figures of one network on one set; zooms of its worst and best pictures are added to `shown`."""
    rows: dict[str, dict[str, dict[str, float]]] = {name: {} for name in chosen}
    spent_s, pixels, seen = dict.fromkeys(chosen, 0.0), 0, 0
    places: dict[str, tuple[Zoom, Zoom]] = {}
    for case in cases:
        seen += 1
        coarse = _found(case, coarse_of)
        if coarse is None:
            continue
        pixels += case.alpha.size
        alphas = {}
        for name, refinement in chosen.items():
            refined = refinement(case, coarse)
            spent_s[name] += refined.cpu_s
            rows[name][case.name] = errors(case, refined.alpha, refined.foreground)
            alphas[name] = refined.alpha
        places[case.name] = zooms(case, alphas, f"{title}, {case.name}")
        print(f"{title}, {case.name}", file=sys.stderr)
    ratios = {name: _ratios(of, rows["none"]) for name, of in rows.items()}
    shown += _worst_and_best(ratios[next(reversed(ratios))], places)
    return {
        "photographs": seen,
        "found": len(places),
        "refinements": {
            name: {**of, "cpu_s_per_mp": round(spent_s[name] / max(pixels / 1e6, 1e-9), 3)}
            for name, of in ratios.items()
        },
    }


def _found(case: Case, coarse_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """The network's matte; None if it misses the subject."""
    try:
        coarse = coarse_of(case.photo)
    except NoSubjectError:
        return None
    both, either = (coarse > 0.5) & (case.alpha > 0.5), (coarse > 0.5) | (case.alpha > 0.5)
    return coarse if both.sum() > _FOUND * either.sum() else None


def _ratios(of: Mapping[str, Mapping[str, float]], to: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    names = list(of)
    if not names:
        return {}
    return {key: summary(key, np.array([of[n][key] / max(to[n][key], 1e-9) for n in names]), names) for key in MEASURES}


def _worst_and_best(ratios: Mapping[str, Any], places: Mapping[str, tuple[Zoom, Zoom]]) -> Iterator[Zoom]:
    """The worst places of the pictures with the largest errors, the best place of the one with the smallest."""
    if not places:
        return
    for name in dict.fromkeys((ratios["sad"]["worst_of"], ratios["gradient"]["worst_of"])):
        yield places[name][0]
    yield places[min(places, key=lambda name: ratios["sad"]["each"][name])][1]


def table(results: Mapping[str, Any]) -> str:
    """Formats the ratios with their intervals, and the worst pictures."""
    parts = [f"{results['machine']}, load before {results['load']}"]
    for name, by_network in results["sets"].items():
        for network, of in by_network.items():
            rows = [["refinement", *MEASURES.values(), *_COLUMNS], ["---", *["---:"] * (len(MEASURES) + len(_COLUMNS))]]
            rows += [_row(refinement, one) for refinement, one in of["refinements"].items()] if of["found"] else []
            heading = f"{name[0].upper()}{name[1:]}, {network}, {of['found']} of {of['photographs']}:"
            parts.append(f"{heading}\n\n{markdown_table(rows)}")
    return "\n\n".join(parts)


def _row(refinement: str, one: Mapping[str, Any]) -> list[str]:
    means = [f"{one[key]['mean']:.2f} ({one[key]['low']:.2f} to {one[key]['high']:.2f})" for key in MEASURES]
    worst = [f"{one[key]['worst']:.2f} ({one[key]['worst_of']})" for key in ("sad", "gradient")]
    return [refinement, *means, *worst, f"{one['cpu_s_per_mp']:.2f}"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--real", type=Path, metavar="DIR", help="folder with images and masks")
    parser.add_argument("--composites", type=Path, metavar="DIR", help="NAME_image.png, NAME_fg_rgba.png")
    parser.add_argument(
        "--backgrounds", type=Path, metavar="DIR", help="photographs to put the composites' subjects on"
    )
    parser.add_argument("--scenes", type=int, default=12, help="held-out scenes (default: 12)")
    parser.add_argument("--refinements", nargs="+", default=("classical", "matting stage"),
                        choices=("classical", "matting stage"))  # fmt: skip
    parser.add_argument("--isnet", type=Path, metavar="FILE", help="IS-Net's ONNX graph, for --real")
    parser.add_argument("--rembg", type=Path, metavar="FOLDER", help="virtual environment; made if it is missing")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="HTML with zooms of the worst and best places")
    return parser


if __name__ == "__main__":
    main()
