"""How much does half precision cost, by size, which float32 islands does it need, and how expensive is an export?

    python benchmarks/precision.py [--checkpoint NAME] [--photos DIR] [--scenes N] [--sizes S ...]
                                                       [--sections sizes islands official exports] [--json FILE]

No GPU is needed: every value that the graph holds in half precision is rounded
(`tuft_export.graphs.precision.rounded`), while sums within a product are float32, as in tensor cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from _lib.machine import machine
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from tqdm import tqdm

from tuft import NoSubjectError, contract
from tuft.imaging import preprocess
from tuft.imaging.postprocess import alpha_from_saliency
from tuft_export.checkpoints import checkpoint_from_name
from tuft_export.graph_metadata import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import onnx
    from numpy.typing import NDArray

    Columns = dict[str, Callable[[Any], str]]

with packages():
    from _lib.cases import Case, composites, held_out_scenes
    from _lib.matte_figures import matte_figures

    from tuft_export.graphs.precision import ISLANDS, rounded, with_precision
    from tuft_export.graphs.provider import GraphSource
    from tuft_export.parity.ort_session import Saliency

HALVES: Final = tuple(precision for precision in PRECISIONS if precision != "fp32")
# A plain pass of the official shape; its blended graphs at larger sizes would take hours here.
_OFFICIAL: Final = ((384, 384), (1024, 1024))  # base size, working size


def size_rows(model: onnx.ModelProto, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Compares each half precision of one graph with float32: means over the cases unless named otherwise."""
    size = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    # Networks one after the other: the published shape at 1024 takes 6 GB each time.
    expected = _saliencies(model, cases, f"{size} fp32")
    return [_size_row(model, size, precision, cases, expected) for precision in HALVES]


def _size_row(
    model: onnx.ModelProto, size: int, precision: str, cases: Sequence[Case], expected: Sequence[NDArray[np.float32]]
) -> dict[str, Any]:
    halved = with_precision(model, precision)
    actual = _saliencies(rounded(halved), cases, f"{size} {precision}")
    differences = [_difference(*pair) for pair in zip(expected, actual, strict=True)]
    errors = [
        [_errors(saliency, case, size) for saliency in pair]
        for case, *pair in zip(cases, expected, actual, strict=True)
    ]
    (iou, gradient), (half_iou, half_gradient) = np.mean(errors, axis=0)
    return {
        "size": size,
        "precision": precision,
        **_summary(differences),
        "iou": iou,
        "iou change": half_iou - iou,
        "gradient error": gradient,
        "gradient error, ratio": half_gradient / gradient,
        "nodes": len(halved.graph.node),
        "MB": halved.ByteSize() / 1e6,
        "nodes in fp32": len(model.graph.node),
        "MB in fp32": model.ByteSize() / 1e6,
    }


def _saliencies(model: onnx.ModelProto, cases: Sequence[Case], what: str) -> list[NDArray[np.float32]]:
    network, size = Saliency(model), model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    pictures = (preprocess.network_image(case.photo, size, "static")[0] for case in cases)
    return [network(picture[None])[0] for picture in tqdm(pictures, desc=what, total=len(cases), unit="picture")]


def _errors(saliency: NDArray[np.float32], case: Case, size: int) -> list[float]:
    """IoU and gradient error of the alpha that results from a saliency map."""
    try:
        alpha = alpha_from_saliency(saliency, preprocess.network_image(case.photo, size, "static")[1])
    except NoSubjectError:
        alpha = np.zeros(case.alpha.shape, np.float32)
    values = matte_figures(case, alpha)
    return [values["iou"], values["gradient"]]


def island_rows(model: onnx.ModelProto, precision: str) -> list[dict[str, Any]]:
    """Measures all islands, each one left out, and none, on photographs."""
    variants = {"all islands": ISLANDS}
    variants |= {f"without `{left.pattern}`": tuple(i for i in ISLANDS if i is not left) for left in ISLANDS}
    variants["none"] = ()
    pictures = photographs(model.graph.input[0].type.tensor_type.shape.dim[1].dim_value)
    full = Saliency(model)
    expected = [full(picture[None])[0] for picture in pictures]
    rows = []
    for name, islands in tqdm(variants.items(), desc=f"islands, {precision}"):
        half = Saliency(rounded(with_precision(model, precision, islands)))
        differences = [_difference(e, half(p[None])[0]) for e, p in zip(expected, pictures, strict=True)]
        rows.append({"islands": name, "precision": precision, **_summary(differences)})
    return rows


def photographs(size: int) -> NDArray[np.uint8]:
    """Three photographs from scikit-image, resized: uint8 [3, size, size, 3]."""
    import skimage.data

    photos = (skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee())
    return np.stack([cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA) for photo in photos])


def _difference(expected: NDArray[np.float32], actual: NDArray[np.float32]) -> dict[str, float]:
    difference = np.abs(actual - expected)
    return {
        "largest": float(np.nanmax(difference)) if np.isfinite(difference).any() else float("nan"),
        "mean": float(difference.mean()),
        "beyond 1/255": float((difference > 1 / 255).mean()),
        "not finite": float((~np.isfinite(actual)).mean()),
    }


def _summary(differences: Sequence[dict[str, float]]) -> dict[str, float]:
    largest = max(difference["largest"] for difference in differences)
    means = {name: float(np.mean([d[name] for d in differences])) for name in differences[0] if name != "largest"}
    return {"largest": largest, **means}


def official_graph(base_size: int, size: int) -> onnx.ModelProto:
    """InSPyReNet with the published shape (Swin-B) and random weights calibrated on photographs."""
    import torch

    from tuft_export.calibration import calibrated_network
    from tuft_export.graphs.onnx_from_torch import ExportOptions, onnx_from_torch
    from tuft_export.inspyrenet import SWIN_B

    pictures = photographs(256)
    images = (torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - torch.tensor(contract.MEAN)[:, None, None]) / (
        torch.tensor(contract.STD)[:, None, None]
    )
    network = calibrated_network(SWIN_B.with_base_size(base_size), images)
    return onnx_from_torch(network, ExportOptions(size, blend=False))


def export_row(checkpoint: str, size: int, precision: str) -> dict[str, Any]:
    """CPU seconds and peak memory of `tuft-export onnx` in a process of its own, parity checks included."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tuft_export", "onnx", "--checkpoint", checkpoint, "--size", str(size)]
        command += ["--precision", precision, "-o", str(Path(folder) / "graph.onnx")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed.")
    return {"size": size, "precision": precision, "CPU s": usage.ru_utime + usage.ru_stime, "GB": usage.ru_maxrss / 1e6}


def table(data: Mapping[str, Any]) -> str:
    """Formats a Markdown table for each measured section."""
    return "\n\n".join(
        f"{section.capitalize()}, on {data[section]['machine']}:\n\n{_section_table(section, data[section]['rows'])}"
        for section in _COLUMNS
        if section in data
    )


def _section_table(section: str, rows: Sequence[dict[str, Any]]) -> str:
    columns = _COLUMNS[section]
    head = [list(columns), ["---"] + ["---:"] * (len(columns) - 1)]
    return markdown_table(head + [[written(row[name]) for name, written in columns.items()] for row in rows])


_ERRORS: Final[Columns] = {
    "precision": str,
    "largest": "{:.3f}".format,
    "mean": "{:.1e}".format,
    "beyond 1/255": "{:.1%}".format,
}
_SIZES: Final[Columns] = {
    "size": str,
    **_ERRORS,
    "iou change": "{:+.4f}".format,
    "gradient error, ratio": "{:.3f}".format,
    "nodes": str,
    "MB": "{:.1f}".format,
}
_ISLANDS: Final[Columns] = {"islands": lambda text: text.replace("|", "\\|"), **_ERRORS, "not finite": "{:.1%}".format}
_EXPORTS: Final[Columns] = {"size": str, "precision": str, "CPU s": "{:.0f}".format, "GB": "{:.1f}".format}
_COLUMNS: Final = {"sizes": _SIZES, "islands": _ISLANDS, "official": _SIZES, "exports": _EXPORTS}


def main() -> None:
    """Measures, prints tables, and keeps the raw numbers with `--json`, section by section."""
    parser = argparse.ArgumentParser(description="What half precision costs.")
    parser.add_argument("--checkpoint", default="demo")
    parser.add_argument("--photos", type=Path, help="folder of composites")
    parser.add_argument("--scenes", type=int, default=8, help="held-out scenes, 2048 × 1536 pixels (default: 8)")
    parser.add_argument("--sizes", type=int, nargs="*", default=contract.SIZES)
    parser.add_argument("--sections", nargs="*", choices=SECTIONS, default=SECTIONS[:1], help="default: sizes")
    parser.add_argument("--json", type=Path, help="where the raw numbers go; other sections there stay")
    options = parser.parse_args()
    print(machine())
    for section in options.sections:
        rows = _SECTIONS[section](options)
        print(f"\n## {section}\n\n{_section_table(section, rows)}", flush=True)
        if options.json:
            _keep(options.json, section, rows)


def sizes(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures the checkpoint at each size, on scenes and composites."""
    cases = _cases(options)
    source = GraphSource(checkpoint_from_name(options.checkpoint))
    graphs = (source.graph(size, None) for size in options.sizes)
    return [row for graph in graphs for row in size_rows(graph, cases)]


def official(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures the published shape on photographs; its weights are random, so only the rounding is meaningful."""
    cases = [case for case in _cases(options) if case.category == "composite"][:2] or _cases(options)[:2]
    graphs = (official_graph(*shape) for shape in _OFFICIAL)
    return [row for graph in graphs for row in size_rows(graph, cases)]


def islands(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures the islands of the published shape at its smallest size."""
    graph = official_graph(*_OFFICIAL[0])
    return [row for precision in HALVES for row in island_rows(graph, precision)]


def exports(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measures `tuft-export onnx`; bfloat16 costs the same as float16."""
    return [export_row(options.checkpoint, s, p) for s in options.sizes for p in PRECISIONS[:2]]


_SECTIONS: Final = {"sizes": sizes, "islands": islands, "official": official, "exports": exports}
SECTIONS: Final = tuple(_SECTIONS)


def _cases(options: argparse.Namespace) -> list[Case]:
    scenes = list(held_out_scenes(options.scenes, (1536, 2048)))
    return scenes + list(composites(options.photos) if options.photos else [])


def _keep(path: Path, section: str, rows: list[dict[str, Any]]) -> None:
    known = json.loads(path.read_text()) if path.is_file() else {}
    known[section] = {"machine": machine(), "rows": rows}
    path.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
