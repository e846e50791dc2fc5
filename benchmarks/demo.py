"""How good is the demo checkpoint on what its training never sees?

    python benchmarks/demo.py [--checkpoint F] [--pets DIR] [--photos DIR] [--json FILE]

One pass at the base size and the blended pass at 1024 of `standard`, both without refinement: on held-out scenes by
category, on the held-out tenth of each set of real photographs, and on composites of real photographs. `whole` in the
JSON is for a person: of the 47 photographs on docs/images/demo_photographs.webp, how many are cut out whole.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _lib.markdown_table import markdown_table
from _lib.needs import packages

from tuft.files import file_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuft_export.inspyrenet import InSPyReNet

with packages():
    from tuft_export.checkpoints import checkpoint_from_name, load_network
    from tuft_training.evaluate import evaluate_categories, evaluate_composites, evaluate_photographs, summary
    from tuft_training.pets import pets_folder

# From the side of the pass to the number of held-out scenes, as large as the pass.
PASSES: Final = {384: 96, 1024: 32}
PARTS: Final = {"scenes": "held-out scenes", "photographs": "held-out photographs", "composites": "composites"}


def measure(network: InSPyReNet, size_px: int, scenes: int, pets: Path | None, photos: Path | None) -> dict[str, Any]:
    """The mean measures of one pass, by part and row; a part without pictures is left out."""
    results: dict[str, Any] = {"scenes": summary(evaluate_categories(network, size_px, scenes))}
    if pets:
        results["photographs"] = summary(evaluate_photographs(network, pets, size_px))
    if photos:
        composites = evaluate_composites(network, photos, size_px)
        results["composites"] = summary({name: [one] for name, one in composites.items()})
    return results


def table(data: Mapping[str, Any]) -> str:
    """IoU and MAE of both passes, by row."""
    sizes = list(data["passes"])
    columns = [column for size in sizes for column in ("n", f"IoU, {size}", f"MAE, {size}")]
    rows = [["", *columns], ["---", *["---:"] * len(columns)]]
    for part, title in PARTS.items():
        measured = [data["passes"][size].get(part, {}) for size in sizes]
        for name in sorted(set().union(*measured), key=lambda name: (name == "all", name)):
            cells = [cell for one in measured for cell in _cells(one.get(name))]
            rows.append([f"**all {title}**" if name == "all" else f"`{name}`", *cells])
    return markdown_table(rows)


def _cells(measures: Mapping[str, float] | None) -> tuple[str, str, str]:
    if measures is None:
        return "", "", ""
    return f"{measures['n']}", f"{measures['iou']:.3f}", f"{measures['mae']:.4f}"


def main() -> None:
    """Measures, prints the table and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("--pets", type=Path, help="folder of the real sets; TUFT_PETS, else ../shared/pets by default")
    parser.add_argument("--photos", type=Path, help="folder of composites")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    options = parser.parse_args()
    checkpoint = checkpoint_from_name(options.checkpoint)
    network = load_network(checkpoint)
    pets = options.pets or pets_folder()
    passes = {str(px): measure(network, px, count, pets, options.photos) for px, count in PASSES.items()}
    data = {"checkpoint": file_hash(checkpoint.path), "whole": None, "passes": passes}
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
