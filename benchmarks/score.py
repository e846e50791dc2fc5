"""How well does `tuft.imaging.quality_score` predict the true error of an alpha? Also fits its coefficients.

    python benchmarks/score.py [--checkpoint F] [--photos DIR] [--scenes N] [--json FILE]
                                                   [--rows FILE]

The preset `standard` runs with a checkpoint's real output in this process, on pictures with exact alpha. Coefficients
are fitted on every other scene; rank correlations (Spearman's) are reported for the scenes in between and for
composites, which the fit has not seen.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from _lib.machine import machine
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from tqdm import tqdm

from tuft import Client, FakeTransport, NoSubjectError
from tuft.imaging import quality_score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

with packages():
    from _lib.cases import Case, composites, held_out_scenes
    from _score.candidates import candidates
    from _score.damage import DAMAGES
    from scipy import stats

    from tuft_training.measures import (
        boundary_f,
        edge_sharpness,
        error_maps,
        intersection_over_union,
        soft_iou,
        unknown_band,
    )

SIZE: Final = 1024
COARSE_SIZE: Final = 384
SCENE_HW: Final = (960, 1280)
FIRST_SCENE: Final = 3000  # held out from training, and not used by any other benchmark
FEWEST_SCENES: Final = 6
IN_SCORE: Final = ("vagueness", "disagreement")


@dataclass(frozen=True)
class Row:
    """The measurements of one picture.

    Attributes:
        name: Name of the case.
        category: Category of the case.
        score: Quality score of the resulting alpha.
        candidates: Candidate predictors of the error, by name.
        errors: True errors, by name; less is better.
        damaged: Score of the alpha after each of `DAMAGES`.
    """

    name: str
    category: str
    score: float
    candidates: dict[str, float]
    errors: dict[str, float]
    damaged: dict[str, float]


def row(case: Case, alpha: Pixels, coarse: Pixels) -> Row:
    """Measures one alpha [h, w], given also the coarse pass's alpha [h, w] of the same picture."""
    return Row(
        name=case.name,
        category=case.category,
        score=quality_score.quality_score(alpha, case.photo),
        candidates=candidates(alpha, case.photo, coarse),
        errors=errors(case, alpha),
        damaged={name: quality_score.quality_score(damage(alpha), case.photo) for name, damage in DAMAGES.items()},
    )


def errors(case: Case, alpha: Pixels) -> dict[str, float]:
    """True errors of an alpha [h, w], by name; less is better."""
    ours = alpha.astype(np.float32) / 255
    whole, band = error_maps(ours, case.alpha).over(), unknown_band(case.alpha)
    return {
        "1 - soft IoU": 1 - soft_iou(ours, case.alpha),
        "1 - IoU": 1 - intersection_over_union(ours > 0.5, case.alpha > 0.5),
        "SAD": whole.sad,
        "gradient": whole.gradient,
        "1 - edge sharpness": 1 - edge_sharpness(ours, case.alpha, band),
        "1 - boundary F": 1 - boundary_f(ours > 0.5, case.alpha > 0.5),
    }


def measure(client: Client, cases: Iterable[Case]) -> list[Row]:
    """Measures every picture."""
    return [row(case, _alpha(client, case), _alpha(client, case, size=COARSE_SIZE, refine="none")) for case in cases]


def _alpha(client: Client, case: Case, **options: Any) -> Pixels:
    try:
        return client.remove(case.photo, preset="standard", **options).alpha
    except NoSubjectError:
        return np.zeros(case.alpha.shape, np.uint8)


@dataclass(frozen=True)
class Fit:
    """Coefficients of the log-odds of 1 - soft IoU."""

    intercept: float
    of_vagueness: float
    of_disagreement: float


def fit(rows: Sequence[Row]) -> Fit:
    """Fits by least squares; alphas with an error of exactly 0 or 1 have no log-odds and are left out."""
    rows = [one for one in rows if 0 < one.errors["1 - soft IoU"] < 1]
    error = np.array([one.errors["1 - soft IoU"] for one in rows])
    terms = [np.ones(len(rows))]
    for name, floor in zip(IN_SCORE, (quality_score.VAGUENESS_FLOOR, quality_score.DISAGREEMENT_FLOOR), strict=True):
        terms.append(np.log([one.candidates[name] + floor for one in rows]))
    coefficients = np.linalg.lstsq(np.column_stack(terms), np.log(error / (1 - error)), rcond=None)[0]
    return Fit(*(float(one) for one in coefficients))


def correlations(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Rank correlations of each error with the score, first, and with each candidate."""
    columns = {"score": [one.score for one in rows]}
    columns |= {name: [one.candidates[name] for one in rows] for name in rows[0].candidates}
    names = rows[0].errors
    return {
        column: {error: _rank_correlation(values, [one.errors[error] for one in rows]) for error in names}
        for column, values in columns.items()
    }


def _rank_correlation(left: Sequence[float], right: Sequence[float]) -> float:
    if len(set(left)) < 2 or len(set(right)) < 2:
        return 0.0
    return float(stats.spearmanr(left, right).statistic)


def split(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Splits the pictures by their use."""
    scenes = [one for one in rows if one.category != "composite"]
    parts = {"fitted on": scenes[::2], "held out": scenes[1::2]}
    parts["composites"] = [one for one in rows if one.category == "composite"]
    return {name: part for name, part in parts.items() if len(part) > 2}


def text(rows: Sequence[Row], score_ms: float) -> str:
    """The complete output as Markdown."""
    parts = split(rows)
    lines = [machine(), f"{score_ms:.1f} ms of one core at 12 megapixels", str(fit(parts["fitted on"]))]
    for name, part in parts.items():
        lines += [f"## {len(part)} {name}", _correlation_table(part)]
    return "\n\n".join([*lines, "## Damaged mattes: how often the score falls, and its median", _damage_table(rows)])


def _correlation_table(rows: Sequence[Row]) -> str:
    found = correlations(rows)
    errors_of = list(rows[0].errors)
    ordered = ["score", *sorted(list(found)[1:], key=lambda name: -abs(found[name][errors_of[0]]))]
    body = [[name, *(f"{found[name][error]:.2f}" for error in errors_of)] for name in ordered]
    return markdown_table([["rank correlation with", *errors_of], ["---", *["---:"] * len(errors_of)], *body])


def _damage_table(rows: Sequence[Row]) -> str:
    body = [["none", "", f"{np.median([one.score for one in rows]):.2f}"]]
    for name in DAMAGES:
        falls = np.mean([one.damaged[name] < one.score for one in rows])
        body.append([name, f"{falls:.0%}", f"{np.median([one.damaged[name] for one in rows]):.2f}"])
    return markdown_table([["damage", "falls", "median score"], ["---", "---:", "---:"], *body])


def milliseconds(case: Case) -> float:
    """Median time of the score of a 12-megapixel photograph on one core, in milliseconds, over 15 runs."""
    photo = cv2.resize(case.photo, (4000, 3000))
    alpha = cv2.resize((case.alpha * 255).astype(np.uint8), (4000, 3000))
    threads, taken = cv2.getNumThreads(), []
    cv2.setNumThreads(1)
    for _ in range(16):
        began_s = time.thread_time()
        quality_score.quality_score(alpha, photo)
        taken.append((time.thread_time() - began_s) * 1e3)
    cv2.setNumThreads(threads)
    return float(np.median(taken[1:]))


def network_client(checkpoint: str) -> Client:
    """A client whose transport runs a checkpoint's network in this process."""
    from _lib.graphs import compiled

    from tuft_export.checkpoints import checkpoint_from_name, load_network

    network = load_network(checkpoint_from_name(checkpoint)).eval()
    passes = {size: compiled(network, size, blend=size > network.config.base_size) for size in (SIZE, COARSE_SIZE)}
    return Client(transport=FakeTransport(lambda picture: passes[picture.shape[0]](picture)))


def main() -> None:
    """Measures, or reads the rows of an earlier run, and prints; `--json` keeps the rows."""
    options = _parser().parse_args()
    if options.scenes < FEWEST_SCENES:
        raise SystemExit(f"Of {options.scenes} scenes half is too few to fit on: give {FEWEST_SCENES} or more.")
    cases = composites(options.photos) if options.photos else iter(())
    if options.rows:
        rows = [Row(**one) for one in json.loads(options.rows.read_text())["rows"]]
    else:
        with network_client(options.checkpoint) as client:
            rows = measure(client, cases)
            rows += measure(client, tqdm(held_out_scenes(options.scenes, SCENE_HW, FIRST_SCENE), total=options.scenes))
    (timed,) = held_out_scenes(1, SCENE_HW, FIRST_SCENE)
    score_ms = milliseconds(timed)
    print(text(rows, score_ms))
    if options.json:
        options.json.write_text(json.dumps(results(rows, score_ms), indent=1) + "\n")


def results(rows: Sequence[Row], score_ms: float) -> dict[str, Any]:
    """The results as values for JSON."""
    parts = split(rows)
    return {
        "machine": machine(),
        "milliseconds": score_ms,
        "fit": asdict(fit(parts["fitted on"])),
        "correlations": {name: correlations(part) for name, part in parts.items()},
        "rows": [asdict(one) for one in rows],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="How well the quality score without truth knows the true error.")
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("--photos", type=Path, help="folder of composites")
    parser.add_argument("--scenes", type=int, default=120, help="held-out scenes (default: 120)")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    parser.add_argument("--rows", type=Path, help="raw numbers of an earlier run, instead of measuring")
    return parser


if __name__ == "__main__":
    main()
