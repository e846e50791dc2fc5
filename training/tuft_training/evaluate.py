"""Measure a checkpoint on held-out scenes and on composites of real photographs, and show it on photographs.

python -m tuft_training.evaluate --checkpoint F [--composites DIR] [--photos DIR --output sheet.png]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tuft_export.checkpoints import checkpoint_from_name, load_network
from tuft_training.measures import Measures, mean, measures
from tuft_training.predict import predict
from tuft_training.samples import HELD_OUT_SEED
from tuft_training.scenes import scene
from tuft_training.sheets import contact_sheet, row_of_cells, save_sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft_export.inspyrenet import InSPyReNet
    from tuft_training.scenery.arrays import RGB

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp"})


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tuft_training.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="weights as .safetensors")
    parser.add_argument("--size", type=int, help="working size in pixels (default: the base size); above it, blended")
    parser.add_argument("--scenes", type=int, default=0, help="number of held-out scenes to measure on")
    parser.add_argument("--scene-size", type=int, help="side of the scenes in pixels (default: the working size)")
    parser.add_argument("--composites", type=Path, help="folder of composites to measure on")
    parser.add_argument("--photos", type=Path, help="folder of photographs to show")
    parser.add_argument("--output", type=Path, default=Path("sheet.png"), help="contact sheet of the photographs")
    options = parser.parse_args(arguments)
    network = load_network(checkpoint_from_name(str(options.checkpoint)))
    size_px = options.size or network.config.base_size
    if options.scenes:
        print(table(evaluate_categories(network, size_px, options.scenes, options.scene_size)))
    if options.composites:
        composites = evaluate_composites(network, options.composites, size_px)
        print(table({name: [one] for name, one in composites.items()}))
    if options.photos:
        paths = sorted(path for path in options.photos.iterdir() if path.suffix.lower() in _PICTURES)
        save_sheet(photographs_sheet(network, paths, size_px), options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
