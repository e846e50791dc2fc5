"""How good are edges of hair, fur and leaves: by which network, refined how?

    python benchmarks/hair.py --real DIR [--isnet FILE] [--rembg] [--json FILE] [--page FILE]

`--real` is a folder with `images` and `masks`: photographs with measured alpha. Coarse mattes come from the demo at
1024 and, with `--isnet`, from the ONNX graph of IS-Net (npm's @imgly/background-removal-data 1.4.5, /models/medium).
`--rembg` adds what rembg's `-a` does with them: closed-form matting (pymatting) of the full photograph, a trimap eroded
by ten pixels. Errors are ratios to the coarse matte's own, means over the photographs whose subject the network finds
(IoU above 0.7), with 95 % bootstrap intervals; times are processor seconds per megapixel, the network's aside.
`--page` shows the worst and the best places.
"""

from __future__ import annotations

import argparse
import html
import json
import time
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from _lib.machine import machine_facts
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from PIL import Image

from tuft.files import write_atomically
from tuft.imaging import refine
from tuft.imaging.postprocess import alpha_from_saliency
from tuft.imaging.preprocess import network_image

with packages():
    import cv2

    from tuft.imaging.measures import error_maps
    from tuft_export.matting import graph as matting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Plane = NDArray[np.float32]
    Refinement = Callable[["Case"], Plane]

_SIZE: Final = 1024
_FOUND: Final = 0.7
_BACKDROPS: Final = ((255, 255, 255), (0, 0, 0), (0, 177, 64))
_DRAWS: Final = 2000
_ZOOM: Final = 160
_MEASURES: Final = {"sad": "SAD", "gradient": "gradient error", "composite": "composite error in the band"}


class Case(NamedTuple):
    """One photograph: its name, uint8 pixels, true alpha and a network's matte, float32 0..1."""

    name: str
    rgb: NDArray[np.uint8]
    truth: Plane
    coarse: Plane


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--real", type=Path, required=True, help="folder with images and masks")
    parser.add_argument("--isnet", type=Path, help="IS-Net's ONNX graph")
    parser.add_argument("--rembg", action="store_true", help="also rembg's -a (minutes)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path, help="HTML with zooms of the worst and best places")
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine_facts(), "networks": {}}
    zooms: list[str] = []
    for network, cases in _networks(options):
        found = [case for case in cases if _iou(case) > _FOUND]
        results["networks"][network] = _measured(network, found, len(cases), _refinements(options), zooms)
    print(table(results))
    if options.json:
        write_atomically(options.json, (json.dumps(results, indent=2) + "\n").encode())
    if options.page:
        write_atomically(options.page, _page(zooms).encode())


def table(results: Mapping[str, Any]) -> str:
    """Formats the ratios with their intervals, and the worst photograph."""
    parts = []
    for network, measured in results["networks"].items():
        rows = [["refinement", *_MEASURES.values(), "worst SAD", "worst gradient error", "CPU s/MP"]]
        rows.append(["---", *["---:"] * 6])
        for name, one in measured["refinements"].items():
            means = [f"{one[key]['mean']:.2f} ({one[key]['low']:.2f} to {one[key]['high']:.2f})" for key in _MEASURES]
            worst = [f"{one[key]['worst']:.2f} ({one[key]['worst_of']})" for key in ("sad", "gradient")]
            rows.append([name, *means, *worst, f"{one['cpu_s_per_mp']:.2f}"])
        heading = f"{network}, {measured['found']} of {measured['photographs']} photographs:"
        parts.append(f"{heading}\n\n{markdown_table(rows)}")
    return "\n\n".join([results["machine"]["machine"], *parts])


def _networks(options: argparse.Namespace) -> Iterator[tuple[str, list[Case]]]:
    photographs = [
        (path.stem, np.array(Image.open(path).convert("RGB")), _alpha(options.real / "masks" / f"{path.stem}.png"))
        for path in sorted((options.real / "images").iterdir())
    ]
    networks = {"demo at 1024": _demo(), **({"IS-Net at 1024": _isnet(options.isnet)} if options.isnet else {})}
    for network, saliency in networks.items():
        cases = []
        for name, rgb, truth in photographs:
            picture, geometry = network_image(rgb, _SIZE, "static")
            cases.append(Case(name, rgb, truth, alpha_from_saliency(saliency(picture), geometry, reference=False)))
        yield network, cases


def _alpha(path: Path) -> Plane:
    return np.asarray(Image.open(path).convert("L"), np.float32) / 255


def _demo() -> Callable[[NDArray[np.uint8]], Plane]:
    from tuft_export.checkpoints import CHECKPOINTS
    from tuft_export.graphs.provider import GraphSource
    from tuft_export.parity.ort_session import Saliency

    saliency = Saliency(GraphSource(CHECKPOINTS["demo"]).graph(_SIZE, None))
    return lambda picture: saliency(picture[np.newaxis])[0]


def _isnet(path: Path) -> Callable[[NDArray[np.uint8]], Plane]:
    from tuft_export.parity.ort_session import OrtSession

    session = OrtSession(path)

    def saliency(picture: NDArray[np.uint8]) -> Plane:
        planes = (picture.astype(np.float32) / 255 - np.float32(0.5)).transpose(2, 0, 1)[np.newaxis]
        return np.asarray(session.run("output", "input", planes), np.float32).reshape(_SIZE, _SIZE)

    return saliency


def _refinements(options: argparse.Namespace) -> dict[str, Refinement]:
    from tuft_export.parity.ort_session import OrtSession

    session = OrtSession(matting.shipped_graph())

    def stage(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return session.run("MATTE", "PLANES", planes)

    chosen: dict[str, Refinement] = {
        "none": lambda case: case.coarse,
        "classical": lambda case: refine.refine_alpha(case.rgb, case.coarse, _SIZE),
        "matting stage": lambda case: refine.matted(case.rgb, case.coarse, _SIZE, stage),
    }
    return chosen | ({"rembg -a": _closed_form} if options.rembg else {})


def _closed_form(case: Case) -> Plane:
    """What rembg 2.0 does with `-a`: thresholds 240 and 10, a trimap eroded by ten pixels, pymatting."""
    from pymatting import estimate_alpha_cf

    matte = np.rint(case.coarse * 255)
    kernel = np.ones((3, 3), np.uint8)
    sure = cv2.erode((matte > 240).astype(np.uint8), kernel, iterations=10)
    never = cv2.erode((matte < 10).astype(np.uint8), kernel, iterations=10)
    trimap = np.full(matte.shape, 0.5)
    trimap[sure == 1], trimap[never == 1] = 1, 0
    try:
        return np.asarray(estimate_alpha_cf(case.rgb / 255, trimap), np.float32)
    except ValueError:  # nothing is certain: rembg gives the coarse matte then
        return case.coarse


def _measured(
    network: str, cases: Sequence[Case], photographs: int, refinements: Mapping[str, Refinement], zooms: list[str]
) -> dict[str, Any]:
    base = [_errors(case, case.coarse, case.rgb) for case in cases]
    measured: dict[str, Any] = {}
    for name, refinement in refinements.items():
        began_s, alphas = time.process_time(), []
        for case in cases:
            alphas.append(refinement(case))
        spent_s = time.process_time() - began_s
        errors = [
            _errors(case, alpha, case.rgb if name == "none" else refine.estimate_foreground(case.rgb, alpha))
            for case, alpha in zip(cases, alphas, strict=True)
        ]
        ratios = {key: np.array([e[key] / b[key] for e, b in zip(errors, base, strict=True)]) for key in _MEASURES}
        measured[name] = {key: _summary(values, cases) for key, values in ratios.items()}
        measured[name]["cpu_s_per_mp"] = round(spent_s / (sum(case.truth.size for case in cases) / 1e6), 3)
        if name == "matting stage":
            for index in {int(ratios["sad"].argmax()), int(ratios["sad"].argmin()), int(ratios["gradient"].argmax())}:
                zooms.append(_zoom(network, cases[index], alphas[index], float(ratios["sad"][index])))
    return {"photographs": photographs, "found": len(cases), "refinements": measured}


def _errors(case: Case, alpha: Plane, foreground: NDArray[np.uint8]) -> dict[str, float]:
    maps = error_maps(alpha, case.truth)
    true = refine.estimate_foreground(case.rgb, case.truth).astype(np.float32)
    band = (case.truth > 0.02) & (case.truth < 0.98)
    composite = 0.0
    for backdrop in _BACKDROPS:
        shown, expected = (
            a[..., None] * colours + (1 - a[..., None]) * np.array(backdrop, np.float32)
            for a, colours in ((alpha, foreground.astype(np.float32)), (case.truth, true))
        )
        composite += float(np.abs(shown - expected)[band].mean())
    return {"sad": float(maps.absolute.sum()), "gradient": float(maps.gradient.sum()), "composite": composite}


def _summary(ratios: NDArray[np.float64], cases: Sequence[Case]) -> dict[str, Any]:
    draws = np.random.default_rng(0).choice(ratios, (_DRAWS, len(ratios))).mean(axis=1)
    low, high = np.percentile(draws, (2.5, 97.5))
    worst = int(ratios.argmax())
    each = {case.name: round(float(ratio), 4) for case, ratio in zip(cases, ratios, strict=True)}
    return {
        "mean": round(float(ratios.mean()), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "worst": round(float(ratios[worst]), 4),
        "worst_of": cases[worst].name,
        "each": each,
    }


def _iou(case: Case) -> float:
    both, either = (case.coarse > 0.5) & (case.truth > 0.5), (case.coarse > 0.5) | (case.truth > 0.5)
    return float(both.sum() / max(either.sum(), 1))


def _zoom(network: str, case: Case, alpha: Plane, ratio: float) -> str:
    """Where the stage is farthest from the truth: photograph, coarse matte, stage, truth."""
    error = cv2.blur(np.abs(alpha - case.truth), (_ZOOM, _ZOOM))
    half = _ZOOM // 2
    y, x = np.unravel_index(int(error[half:-half, half:-half].argmax()), error[half:-half, half:-half].shape)
    part = np.s_[y : y + _ZOOM, x : x + _ZOOM]
    shown = [case.rgb[part], *(_grey(one[part]) for one in (case.coarse, alpha, case.truth))]
    large = cv2.resize(np.hstack(shown), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    _, png = cv2.imencode(".png", cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
    title = html.escape(f"{network}, {case.name}: SAD {ratio:.2f} of the coarse matte's")
    source = b64encode(png.tobytes()).decode()
    return f'<figure><img src="data:image/png;base64,{source}"><figcaption>{title}</figcaption></figure>'


def _grey(alpha: Plane) -> NDArray[np.uint8]:
    return np.repeat(np.rint(alpha * 255).astype(np.uint8)[..., None], 3, axis=2)


def _page(zooms: Sequence[str]) -> str:
    head = (
        "<!doctype html><meta charset=utf-8><title>Hair</title><p>Photograph, coarse matte, matting stage, truth.</p>"
    )
    return head + "".join(zooms)


if __name__ == "__main__":
    main()
