"""Measure a checkpoint on what training never sees, and show it on photographs.

python -m tuft_training.evaluate --checkpoint F [--scenes N] [--pets DIR] [--composites DIR] [--json results.json]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from tuft.files import file_hash, write_atomically
from tuft_export.checkpoints import checkpoint_from_name, load_network
from tuft_training.measures import Measures, intersection_over_union, mean, measures
from tuft_training.pets import split_sets
from tuft_training.predict import predict
from tuft_training.samples import HELD_OUT_SEED
from tuft_training.scenes import scene
from tuft_training.sheets import contact_sheet, row_of_cells, save_sheet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuft_export.inspyrenet import InSPyReNet
    from tuft_training.pets import Labelled
    from tuft_training.scenery.arrays import RGB, Field

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp"})


class Score(NamedTuple):
    """How well an alpha agrees with a mask where the mask knows it.

    Attributes:
        iou: Intersection over union of the alpha above 0.5 and the mask.
        mae: Mean absolute error.
    """

    iou: float
    mae: float


def score(alpha: Field, truth: Labelled) -> Score:
    """Compares an alpha [h, w] with what a mask knows."""
    known = truth.known > 0
    ours, theirs = alpha[known], truth.alpha[known]
    return Score(intersection_over_union(ours > 0.5, theirs > 0.5), float(abs(ours - theirs).mean()))


def evaluate_photographs(
    network: InSPyReNet, folder: Path, size_px: int, each: int | None = None
) -> dict[str, list[Score]]:
    """The scores on the held-out tenth of each set of real photographs, by set.

    Args:
        network: In evaluation mode.
        folder: Of the sets, see `tuft_training.pets`.
        size_px: Working size.
        each: At most so many photographs of each set, evenly spread; all by default.
    """
    results: dict[str, list[Score]] = {}
    for name, split in split_sets(folder).items():
        spread = -(-len(split.held_out) // each) if each else 1
        for photograph in split.held_out[::spread]:
            truth = photograph.read(edge=0)
            found = score(predict(network, truth.image, size_px), truth)
            results.setdefault(name, []).append(found)
    return results


def evaluate_scenes(network: InSPyReNet, size_px: int, count: int) -> Measures:
    """The mean measures on the first `count` held-out scenes (synthetic only) at `size_px`."""
    return mean([one for several in evaluate_categories(network, size_px, count).values() for one in several])


def evaluate_categories(
    network: InSPyReNet, size_px: int, count: int, scene_px: int | None = None
) -> dict[str, list[Measures]]:
    """The measures of the first `count` held-out scenes, by category.

    Args:
        network: In evaluation mode.
        size_px: Working size.
        count: Number of scenes.
        scene_px: Side of the scenes; the working size by default.
    """
    side = scene_px or size_px
    results: dict[str, list[Measures]] = {}
    for i in range(count):
        made = scene(HELD_OUT_SEED + i, (side, side))
        found = measures(predict(network, made.image, size_px), made.alpha)
        results.setdefault(made.category, []).append(found)
    return results


def evaluate_composites(network: InSPyReNet, folder: Path, size_px: int) -> dict[str, Measures]:
    """The measures of each `NAME_image.png` against the alpha of `NAME_fg_rgba.png`, at the image's size."""
    results = {}
    for path in sorted(folder.glob("*_image.png")):
        name = path.name.removesuffix("_image.png")
        truth = np.asarray(Image.open(path.with_name(f"{name}_fg_rgba.png")))[:, :, 3].astype(np.float32) / 255
        results[name] = measures(predict(network, read_rgb(path), size_px), truth)
    return results


def read_rgb(path: Path) -> RGB:
    """Reads an image as [h, w, 3] uint8."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def photographs_sheet(network: InSPyReNet, paths: Sequence[Path], size_px: int) -> RGB:
    """A contact sheet with image, alpha and cut-out of each photograph, in three columns."""
    rows = []
    for path in paths:
        image = read_rgb(path)
        rows.append(row_of_cells(image, predict(network, image, size_px), path.stem))
    return contact_sheet(rows, columns=3)


def worst_sheet(network: InSPyReNet, folder: Path, size_px: int, count: int) -> RGB:
    """A contact sheet of the held-out photographs with the lowest IoU, worst first, with the mask after the alpha."""
    rows = []
    for split in split_sets(folder).values():
        for photograph in split.held_out:
            truth = photograph.read(edge=0)
            alpha = predict(network, truth.image, size_px)
            iou = score(alpha, truth).iou
            title = f"{photograph.image.stem} {iou:.2f}"
            rows.append((iou, row_of_cells(truth.image, alpha, title, truth.alpha)))
    rows.sort(key=lambda row: row[0])
    return contact_sheet([row for _, row in rows[:count]], columns=3)


def scenes_sheet(network: InSPyReNet, size_px: int, count: int) -> RGB:
    """A contact sheet of held-out scenes, with the true alpha after the predicted one."""
    rows = []
    for i in range(count):
        made = scene(HELD_OUT_SEED + i, (size_px, size_px))
        rows.append(row_of_cells(made.image, predict(network, made.image, size_px), str(i), made.alpha))
    return contact_sheet(rows, columns=3)


def table(results: dict[str, list[Measures]]) -> str:
    """The mean measures of each row as lines of text; the last line is the mean of all."""
    lines = [f"{'':24} {'n':>3}    IoU     MAE      SAD  gradient  connect.  boundary F"]
    everything = [one for several in results.values() for one in several]
    for name, several in {**dict(sorted(results.items())), "all": everything}.items():
        m = mean(several)
        lines.append(
            f"{name:24} {len(several):3} {m.iou:6.3f}  {m.mae:6.4f}  {m.sad:7.2f}  {m.gradient:8.3f}"
            f"  {m.connectivity:8.2f}  {m.boundary_f:10.3f}"
        )
    return "\n".join(lines)


def scores_table(results: dict[str, list[Score]]) -> str:
    """The mean scores of each set as lines of text; the last two lines are the mean of all, and how many are good."""
    everything = [one for several in results.values() for one in several]
    lines = [f"{'':24} {'n':>3}    IoU     MAE  above 0.9  below 0.5"]
    for name, several in {**results, "all": everything}.items():
        ious = np.array([one.iou for one in several])
        mae = np.mean([one.mae for one in several])
        lines.append(
            f"{name:24} {len(several):3} {ious.mean():6.3f}  {mae:6.4f}  {(ious > 0.9).mean():9.0%}"
            f"  {(ious < 0.5).mean():9.0%}"
        )
    return "\n".join(lines)


def summary(results: Mapping[str, Sequence[Measures | Score]]) -> dict[str, dict[str, float]]:
    """The number and the mean measures of each row, and of `all`, for JSON."""
    everything = [one for several in results.values() for one in several]
    rows = {**dict(sorted(results.items())), "all": everything}
    return {name: {"n": len(several), **_means(several)} for name, several in rows.items()}


def _means(several: Sequence[Measures | Score]) -> dict[str, float]:
    values = [one._asdict() if isinstance(one, Score) else asdict(one) for one in several]
    return {name: round(float(np.mean([one[name] for one in values])), 5) for name in values[0]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tuft_training.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights as .safetensors")
    parser.add_argument("--size", type=int, help="working size in pixels (default: the base size); above it, blended")
    parser.add_argument("--scenes", type=int, default=0, help="number of held-out scenes to measure on")
    parser.add_argument("--scene-size", type=int, help="side of the scenes in pixels (default: the working size)")
    parser.add_argument("--pets", type=Path, help="folder of the real sets, to measure on their held-out tenth")
    parser.add_argument("--each", type=int, help="at most so many photographs of each set (default: all)")
    parser.add_argument("--composites", type=Path, help="folder of composites to measure on")
    parser.add_argument("--json", type=Path, help="file for all results as JSON")
    parser.add_argument("--photos", type=Path, help="folder of photographs to show")
    parser.add_argument("--worst", type=int, default=0, help="show so many of the worst held-out photographs instead")
    parser.add_argument("--output", type=Path, default=Path("sheet.png"), help="contact sheet of the photographs")
    options = parser.parse_args(arguments)
    network = load_network(checkpoint_from_name(str(options.checkpoint)))
    size_px = options.size or network.config.base_size
    record: dict[str, Any] = {"checkpoint": file_hash(options.checkpoint), "size": size_px}
    if options.scenes:
        scenes = evaluate_categories(network, size_px, options.scenes, options.scene_size)
        record["scenes"] = summary(scenes)
        print(table(scenes), flush=True)
    if options.pets:
        sets = evaluate_photographs(network, options.pets, size_px, options.each)
        record["photographs"] = summary(sets)
        print(scores_table(sets), flush=True)
    if options.composites:
        composites = evaluate_composites(network, options.composites, size_px)
        one_each = {name: [one] for name, one in composites.items()}
        record["composites"] = summary(one_each)
        print(table(one_each), flush=True)
    if options.json:
        write_atomically(options.json, json.dumps(record, indent=1).encode() + b"\n")
    if options.worst and options.pets:
        save_sheet(worst_sheet(network, options.pets, size_px, options.worst), options.output)
    elif options.photos:
        paths = sorted(path for path in options.photos.iterdir() if path.suffix.lower() in _PICTURES)
        save_sheet(photographs_sheet(network, paths, size_px), options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
