"""Which pass is best: plain or blended, at which size, with which base size? Measured on pictures with exact alpha.

    python benchmarks/blending.py [--checkpoint F] [--photos DIR] [--scenes N] [--json FILE]

Every variant gets the same squashed picture and no refinement, so that only the network's pass differs. Base sizes
other than the checkpoint's come from `tuft_training.rebase`, without further training.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from _lib.machine import machine
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from tqdm import tqdm

from tuft import NoSubjectError
from tuft.imaging import preprocess
from tuft.imaging.postprocess import alpha_from_saliency
from tuft_export.checkpoints import checkpoint_from_name, load_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuft_export.inspyrenet import InSPyReNet

with packages():
    from _lib.cases import Case, composites, held_out_scenes
    from _lib.graphs import compiled
    from _lib.matte_figures import FIGURES, matte_figures

    from tuft_training.rebase import rebased

SIZES: Final = (1024, 1536, 2048)


@dataclass(frozen=True)
class Pass:
    """One way to run the network.

    Attributes:
        base_px: Base size that SICA pools to, and the size of the coarse pass of a blended pass.
        size_px: Side of the network's square input.
        blend: Whether the result is blended with a coarse pass at the base size.
    """

    base_px: int
    size_px: int
    blend: bool

    def __str__(self) -> str:
        return f"{'blended' if self.blend else 'plain'} {self.size_px}, base {self.base_px}"


def passes(base_px: int, other_base_px: int) -> list[Pass]:
    """Lists plain passes at both base sizes, and plain and blended ones at every larger size."""
    of_checkpoint = [Pass(base_px, size, blend) for size in SIZES for blend in (False, True)]
    of_other = [Pass(other_base_px, other_base_px, False), Pass(other_base_px, SIZES[0], True)]
    return [Pass(base_px, base_px, False), *of_checkpoint, *of_other]


def measure(network: InSPyReNet, one: Pass, cases: Sequence[Case]) -> dict[str, dict[str, float]]:
    """Measures one pass on all pictures; returns figures by picture."""
    infer = compiled(rebased(network, one.base_px), one.size_px, blend=one.blend)
    results = {}
    for case in tqdm(cases, desc=str(one), unit="picture"):
        picture, geometry = preprocess.network_image(case.photo, one.size_px, "static")
        try:
            alpha = alpha_from_saliency(infer(picture), geometry)
        except NoSubjectError:
            alpha = np.zeros(case.alpha.shape, np.float32)
        results[case.name] = matte_figures(case, alpha)
    return results


def table(results: dict[str, dict[str, dict[str, float]]], names: Sequence[str]) -> str:
    """Formats means over the named pictures, one row per pass."""
    rows = [["pass", *FIGURES], ["---"] + ["---:"] * len(FIGURES)]
    for name, by_picture in results.items():
        means = [np.mean([by_picture[picture][figure] for picture in names]) for figure in FIGURES]
        rows.append([name, *(f"{mean:.3f}" if mean < 10 else f"{mean:.1f}" for mean in means)])
    return markdown_table(rows)


def main() -> None:
    """Measures and prints one table for scenes and one for composites; `--json` keeps the raw numbers."""
    parser = argparse.ArgumentParser(description="Plain and blended passes of a checkpoint.")
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("--photos", type=Path, help="folder of composites")
    parser.add_argument("--scenes", type=int, default=16, help="held-out scenes, 2048 × 1536 pixels (default: 16)")
    parser.add_argument("--other-base", type=int, default=512, help="another base size to try (default: 512)")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    options = parser.parse_args()
    cases = list(held_out_scenes(options.scenes, (1536, 2048)))
    cases += composites(options.photos) if options.photos else []
    network = load_network(checkpoint_from_name(options.checkpoint)).eval()
    variants = passes(network.config.base_size, options.other_base)
    results = {str(one): measure(network, one, cases) for one in variants}
    print(machine())
    for title, of_composites in (("held-out scenes", False), ("composites", True)):
        names = [case.name for case in cases if (case.category == "composite") == of_composites]
        if names:
            print(f"\n## {len(names)} {title}\n\n{table(results, names)}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "figures": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
