"""Which refinement gains the most per millisecond, on a network's real output?

    python benchmarks/refinement.py [--checkpoint F] [--photos DIR] [--scenes N] [--json FILE]

All refinements start from the same alpha, the network's at 1024 pixels, and take turns on each picture. Ratios are to
the unrefined alpha: means over pictures with a bootstrap interval.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from _lib.machine import machine
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from tqdm import tqdm

from tuft import NoSubjectError
from tuft.imaging import preprocess
from tuft.imaging.postprocess import alpha_from_saliency
from tuft.imaging.refine import refine_alpha
from tuft_export.checkpoints import checkpoint_from_name, load_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _lib.cases import Case
    from numpy.typing import NDArray

    Plane = NDArray[np.float32]

with packages():
    from _lib.cases import composites, held_out_scenes
    from _lib.comparison import compared
    from _lib.graphs import compiled

    from tuft_training.measures import edge_sharpness, error_maps, unknown_band

SIZE_PX: Final = 1024
_FIGURES: Final = ("sad", "gradient", "sad band", "gradient band", "edge sharpness")
Results = dict[str, dict[str, dict[str, float]]]  # by contestant, by picture


def unrefined(photo: NDArray[np.uint8], alpha: Plane) -> Plane:
    """The alpha unchanged."""
    return alpha


def fast_guided_filter(photo: NDArray[np.uint8], alpha: Plane) -> Plane:
    """The fast guided filter (arXiv 1505.00996) in the band: on a quarter-size grid, radius 4, ε = 1e-5."""
    height, width = alpha.shape
    small_wh = (max(1, width // 4), max(1, height // 4))
    guide = cv2.resize(photo, small_wh, interpolation=cv2.INTER_AREA).astype(np.float64) / 255
    rough = cv2.resize(alpha, small_wh, interpolation=cv2.INTER_AREA).astype(np.float64)

    def mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.blur(plane, (9, 9), borderType=cv2.BORDER_REFLECT))

    middle, level = mean(guide), mean(rough)
    outer = np.einsum("hwi,hwj->hwij", guide, guide).reshape(*rough.shape, 9)
    parts = np.dstack([mean(outer[..., :3]), mean(outer[..., 3:6]), mean(outer[..., 6:])])
    covariance = parts.reshape(*rough.shape, 3, 3) - np.einsum("hwi,hwj->hwij", middle, middle) + 1e-5 * np.eye(3)
    cross = mean(guide * rough[..., None]) - middle * level[..., None]
    slope = np.linalg.solve(covariance, cross[..., None])[..., 0]
    offset = level - (slope * middle).sum(axis=-1)
    models = cv2.resize(np.dstack([mean(slope), mean(offset)]).astype(np.float32), (width, height))
    filtered = np.clip((models[..., :3] * (photo / np.float32(255))).sum(axis=-1) + models[..., 3], 0, 1)
    trimap = trimap_of(alpha)
    refined: Plane = np.where(trimap == 0.5, filtered, alpha).astype(np.float32)
    return refined


def trimap_of(alpha: Plane) -> NDArray[np.float64]:
    """Trimap of 0, 0.5 and 1: unknown within 1.5 pixels of the network's grid around uncertain alpha."""
    radius = max(1, round(1.5 * max(alpha.shape) / SIZE_PX))
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    surely = cv2.erode((alpha > 0.9).astype(np.uint8), disk)
    perhaps = cv2.dilate((alpha > 0.1).astype(np.uint8), disk)
    return np.where(surely == 1, 1.0, np.where(perhaps == 0, 0.0, 0.5))


def shared_matting(photo: NDArray[np.uint8], alpha: Plane) -> Plane:
    """Pymatting's shared matting in the band (E. Gastal, M. Oliveira, Eurographics 2010)."""
    from pymatting import estimate_alpha_sm

    return _in_band(alpha, lambda trimap: estimate_alpha_sm(photo / 255.0, trimap))


def closed_form(photo: NDArray[np.uint8], alpha: Plane) -> Plane:
    """Pymatting's closed-form matting in the band (A. Levin et al., TPAMI 2008)."""
    from pymatting import estimate_alpha_cf

    return _in_band(alpha, lambda trimap: estimate_alpha_cf(photo / 255.0, trimap))


def _in_band(alpha: Plane, solve: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Plane:
    trimap = trimap_of(alpha)
    if not (trimap == 0.5).any() or not (trimap == 1).any() or not (trimap == 0).any():
        return alpha
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.clip(solve(trimap), 0, 1).astype(np.float32)


def tuft(photo: NDArray[np.uint8], alpha: Plane) -> Plane:
    """`tuft.imaging.refine.refine_alpha`."""
    return refine_alpha(photo, alpha, SIZE_PX)


CONTESTANTS: Final = (unrefined, tuft, fast_guided_filter, shared_matting, closed_form)


def measure(cases: Iterator[tuple[Case, Plane]]) -> Results:
    """Measures every contestant on every picture: figures, and milliseconds per megapixel."""
    results: Results = defaultdict(dict)
    for case, alpha in cases:
        band = unknown_band(case.alpha)
        for contestant in CONTESTANTS:
            began_s = time.perf_counter()
            refined = contestant(case.photo, alpha)
            took_ms = (time.perf_counter() - began_s) * 1e3
            maps = error_maps(refined, case.alpha)
            whole, inside = maps.over(), maps.over(band)
            values = (whole.sad, whole.gradient, inside.sad, inside.gradient)
            sharpness = edge_sharpness(refined, case.alpha, band)
            figures = dict(zip(_FIGURES, (*values, sharpness), strict=True))
            results[contestant.__name__][case.name] = {**figures, "ms/MP": took_ms / (alpha.size / 1e6)}
    return dict(results)


def table(results: Results) -> str:
    """Formats mean ratios to the unrefined alpha, and the median time."""
    rows = [["refinement", *_FIGURES, "worst sad", "worst gradient", "ms/MP"], ["---"] + ["---:"] * 8]
    base = results[unrefined.__name__]
    for name, by_picture in results.items():
        ratios = [
            compared({n: of[figure] for n, of in by_picture.items()}, {n: of[figure] for n, of in base.items()})
            for figure in _FIGURES
        ]
        worst = [max(ratio.ratios.values()) for ratio in ratios[:2]]
        speed = np.median([of["ms/MP"] for of in by_picture.values()])
        rows.append([f"`{name}`", *map(str, ratios), *(f"{one:.2f}" for one in worst), f"{speed:.0f}"])
    return markdown_table(rows)


def main() -> None:
    """Measures and prints one table for scenes and one for composites; `--json` keeps the raw numbers."""
    options = _parser().parse_args()
    network = load_network(checkpoint_from_name(options.checkpoint)).eval()
    infer = compiled(network, SIZE_PX, blend=network.config.base_size < SIZE_PX)

    def with_alpha(cases: Iterator[Case]) -> Iterator[tuple[Case, Plane]]:
        for case in tqdm(list(cases), unit="picture"):
            picture, geometry = preprocess.network_image(case.photo, SIZE_PX, "static")
            try:
                yield case, alpha_from_saliency(infer(picture), geometry)
            except NoSubjectError:
                continue

    print(machine())
    raw: dict[str, Any] = {"machine": machine()}
    groups = {"held-out scenes": held_out_scenes(options.scenes, (1200, 1600))}
    if options.photos:
        groups["composites"] = composites(options.photos)
    for title, cases in groups.items():
        raw[title] = measure(with_alpha(cases))
        print(f"\n## {len(raw[title][unrefined.__name__])} {title}\n\n{table(raw[title])}")
    if options.json:
        options.json.write_text(json.dumps(raw, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Refinements on a network's real output.")
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("--photos", type=Path, help="folder of composites")
    parser.add_argument("--scenes", type=int, default=16, help="held-out scenes, 1600 × 1200 pixels (default: 16)")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    return parser


if __name__ == "__main__":
    main()
