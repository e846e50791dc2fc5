"""How much faster is the network than the reference's, and what does it cost to skip its last stage?

    python benchmarks/network.py [--sizes 1024 2048] [--repetitions N] [--sections S] [--json FILE]

The section `time` compares transparent-background's network in torch with ours as the server computes it: published
shape, random weights, one plain pass of one picture, each in a process of its own, in turn. The gain of `uncertain`
depends on the picture: it computes the tiles that an edge of the true alpha crosses, in the picture of `--photos` whose
share of tiles is nearest to the mean. The section `quality` measures the demo checkpoint on photographs and held-out
scenes with exact alpha, in plain passes.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.machine import machine_facts
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from _lib.published import checkpoint_of
from _lib.serving import DEFAULT_WORK
from _lib.subprocess_worker import run_subprocess
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

with packages():
    from _lib.cases import Case, composites, held_out_scenes
    from _lib.graphs import plain_graph
    from _lib.served_network import ServedNetwork, tiles_share
    from scipy import ndimage

    from tuft_training.measures import gradient_error, intersection_over_union

REFERENCE: Final = "transparent-background, torch f32"
WAYS: Final[dict[str, dict[str, str]]] = {
    "f32": {"precision": "f32"},
    "f32, uncertain": {"precision": "f32", "full_resolution": "uncertain"},
    "bf16": {"precision": "bf16"},
    "bf16, uncertain": {"precision": "bf16", "full_resolution": "uncertain"},
}
COST_WORKER: Final = "_lib.cost_worker"
_SCENES: Final = 8


def main() -> None:
    """Measures and prints Markdown tables; `--json` keeps the raw numbers."""
    parser = argparse.ArgumentParser(description="The network against the reference's, and its last stage left out.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos/composites"))
    parser.add_argument("--sections", nargs="+", choices=["time", "quality"], default=["time", "quality"])
    parser.add_argument(
        "--reference-sizes",
        type=int,
        nargs="*",
        default=[1024],
        help="those at which torch runs too; it took 4.2 GB at 1024",
    )
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    options = parser.parse_args()
    data: dict[str, Any] = dict(machine_facts())
    cases = list(composites(options.photos))
    if "time" in options.sections:
        data["time"] = measure_time(options.sizes, options.reference_sizes, cases, options.repetitions)
    if "quality" in options.sections:
        data["quality"] = measure_quality(cases + list(held_out_scenes(_SCENES, (1024, 1024))))
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=2) + "\n")


def measure_time(
    sizes: Sequence[int], reference_sizes: Sequence[int], cases: Sequence[Case], repetitions: int
) -> dict[str, dict[str, Any]]:
    """Measures seconds of each pass and peak memory in bytes, by size and contestant."""
    found: dict[str, dict[str, Any]] = {}
    for size in sizes:
        graph, needed = plain_graph("published", size, DEFAULT_WORK), _portrait([case.alpha for case in cases], size)
        mask = DEFAULT_WORK / f"needed-{size}.npy"
        np.save(mask, needed)
        contestants: dict[str, tuple[str, dict[str, Any]]] = {
            name: ("served", {"graph": str(graph), "needed": str(mask), **way}) for name, way in WAYS.items()
        }
        if size in reference_sizes:
            checkpoint = str(checkpoint_of("published", DEFAULT_WORK).path)
            contestants[REFERENCE] = ("torch", {"checkpoint": checkpoint, "size": size, "batch": 1})
        runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for _ in range(repetitions):
            for name, (kind, arguments) in contestants.items():
                runs[name].append(run_subprocess(COST_WORKER, kind, {**arguments, "repetitions": 1}))
        found[str(size)] = {
            name: {
                "seconds": [seconds for run in of_name for seconds in run["seconds"]],
                "peak_bytes": max(run["peak_bytes"] for run in of_name),
            }
            for name, of_name in runs.items()
        }
        found[str(size)]["needed"] = float(needed.mean())
    return found


def _portrait(alphas: Sequence[NDArray[np.float32]], size: int) -> NDArray[np.bool_]:
    """Where the stage is needed in the picture whose share of tiles is nearest to the mean: bool [size, size]."""
    needed = [_edges(resized(alpha, size)) for alpha in alphas]
    shares = [tiles_share(mask) for mask in needed]
    return needed[int(np.argmin(np.abs(np.array(shares) - np.mean(shares))))]


def _edges(alpha: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the alpha changes by more than a tenth within 17 pixels, the reach of the network around an edge."""
    changes: NDArray[np.bool_] = ndimage.maximum_filter(alpha, 17) - ndimage.minimum_filter(alpha, 17) > 0.1
    return changes


def measure_quality(cases: Sequence[Case]) -> dict[str, dict[str, Any]]:
    """Mean errors, their mean ratios to `f32` over pictures, and the share computed in tiles, by size and way."""
    return {str(size): _quality(size, cases) for size in (384, 1024)}


def _quality(size: int, cases: Sequence[Case]) -> dict[str, Any]:
    graph, errors, shares = plain_graph("demo", size, DEFAULT_WORK), {}, {}
    for name, way in WAYS.items():
        errors[name], shares[name] = _errors_and_share(graph, way, cases, size)
    return {
        name: {
            "sad": float(of_name[:, 0].mean()),
            "gradient": float(of_name[:, 1].mean()),
            "iou": float(of_name[:, 2].mean()),
            "sad_ratio": float((of_name[:, 0] / errors["f32"][:, 0]).mean()),
            "gradient_ratio": float((of_name[:, 1] / errors["f32"][:, 1]).mean()),
            "worst_ratio": float((of_name[:, :2] / errors["f32"][:, :2]).max()),
            "share": shares[name],
        }
        for name, of_name in errors.items()
    }


def _errors_and_share(
    graph: Path, way: Mapping[str, str], cases: Sequence[Case], size: int
) -> tuple[NDArray[np.float64], float]:
    """Errors of one network, which is released on return: two of OpenVINO's at once leave a freed signal stack."""
    network = ServedNetwork(graph, way)
    errors = np.array([_errors(network, case, size) for case in cases])
    return errors, float(np.mean(network.shares)) if network.shares else 1.0


def _errors(network: ServedNetwork, case: Case, size: int) -> tuple[float, float, float]:
    image = np.asarray(Image.fromarray(case.photo).resize((size, size), Image.Resampling.BILINEAR))
    alpha, truth = network(image[None])[0], resized(case.alpha, size)
    return (
        float(np.abs(alpha - truth).sum() / 1e3),
        gradient_error(alpha, truth),
        intersection_over_union(alpha > 0.5, truth > 0.5),
    )


def resized(alpha: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Resizes to [size, size] with antialiasing."""
    return np.asarray(Image.fromarray(alpha).resize((size, size), Image.Resampling.BILINEAR), np.float32)


def table(data: Mapping[str, Any]) -> str:
    """Formats both sections as Markdown."""
    parts = [f"{data['machine']}."]
    for size, found in data.get("time", {}).items():
        contestants = {name: of_name for name, of_name in found.items() if name != "needed"}
        medians = {name: statistics.median(of_name["seconds"]) for name, of_name in contestants.items()}
        rows = [["", "s", "times faster", "peak MB"], ["---", "---:", "---:", "---:"]]
        for name, seconds in medians.items():
            faster = f"{medians[REFERENCE] / seconds:.2f}" if REFERENCE in medians else ""
            rows.append([name, f"{seconds:.2f}", faster, f"{contestants[name]['peak_bytes'] / 1e6:.0f}"])
        parts.append(f"{size}, one plain pass, random weights of the published shape:\n\n{markdown_table(rows)}")
    for size, ways in data.get("quality", {}).items():
        header = ["", "in tiles", "SAD, ratio", "gradient error, ratio", "worst picture", "IoU"]
        rows = [header, ["---"] + ["---:"] * (len(header) - 1)]
        rows += [
            [name, f"{way['share']:.0%}", f"{way['sad_ratio']:.4f}", f"{way['gradient_ratio']:.4f}",
             f"{way['worst_ratio']:.3f}", f"{way['iou']:.4f}"]
            for name, way in ways.items()
        ]  # fmt: skip
        parts.append(f"{size}, demo, against its own `f32`:\n\n{markdown_table(rows)}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
