"""Does every preset keep what it says: `express` fast, `maximum` better, neither worse than a smaller one?

    python benchmarks/presets.py [--real DIR] [--composites DIR] [--pets DIR] [--scenes N] [--rounds N]
                                 [--published] [--json FILE]

With the demo checkpoint. Errors are ratios to those of `standard`, means over the pictures whose subject that finds
(IoU above 0.5), with 95 % bootstrap intervals: held-out scenes, photographs with measured alpha (`--real`), composites.
`--pets` is a folder of photographs with masks, of which the held-out ones are taken: does a preset find the subject?
Times are medians of whole requests from JPEG to PNG, computed in this process, and those of the matting stage alone at
12 and 100 megapixels. `--published` adds what the published shape's network takes, with random weights, to what the
rest takes at 12 megapixels.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.machine import machine_facts
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from _lib.subprocess_worker import run_subprocess
from PIL import Image

from tuft import Client, FakeTransport, NoSubjectError
from tuft.files import write_atomically

with packages():
    from _hair.figures import composite_error, summary
    from _hair.inputs import input_sets
    from _hair.networks import demo
    from _lib.graphs import plain_graph
    from _lib.photographs import photographs
    from _lib.served_stage import served_stage
    from _lib.serving import DEFAULT_WORK

    import tuft_runtime
    from tuft.imaging.measures import error_maps, intersection_over_union
    from tuft_export.checkpoints import CHECKPOINTS
    from tuft_training.pets import split_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _lib.cases import Case
    from numpy.typing import NDArray

_PRESETS: Final = ("express", "standard", "maximum")
_MEGAPIXELS: Final = (0.1, 0.3, 1.0, 12.0)
_STAGE_MEGAPIXELS: Final = (12, 100)
_FOUND: Final = 0.5
_MEASURES: Final = {"sad": "SAD", "gradient": "gradient error", "composite": "composite error in the band"}


def main() -> None:
    """Runs the command line."""
    options = _parser().parse_args()
    results: dict[str, Any] = {**machine_facts(), "sets": {}}
    with served_stage() as stage:
        networks = {size: demo(size) for size in (384, 1024)}
        best_size = CHECKPOINTS["demo"].best_size or 0
        fake = FakeTransport(
            lambda image: networks[len(image)](image),
            matte_from_planes=stage,
            best_sizes={"inspyrenet_1536": best_size, "inspyrenet_2048": best_size},
        )
        client = Client(transport=fake)
        for name, cases in input_sets(options).items():
            results["sets"][name] = quality(client, cases())
        if options.pets:
            results["photographs"] = found(client, options.pets, options.photographs)
    if options.rounds:
        results["times"] = times(options.rounds)
        costs = {"rounds": options.rounds}
        results["stage"] = [run_subprocess("_hair.stage_cost", str(size), costs) for size in _STAGE_MEGAPIXELS]
    if options.published and options.rounds:
        results["published"] = published(options.rounds)
    print(table(results))
    if options.json:
        write_atomically(options.json, (json.dumps(results, indent=1) + "\n").encode())


def quality(client: Client, cases: Iterable[Case]) -> dict[str, Any]:
    """Ratios to `standard`, and the mean IoU of each preset, over the pictures whose subject `standard` finds."""
    rows: dict[str, dict[str, Mapping[str, float]]] = {preset: {} for preset in _PRESETS}
    for case in cases:
        one = {preset: _errors(case, client, preset) for preset in _PRESETS}
        if one["standard"]["iou"] > _FOUND:
            for preset, figures in one.items():
                rows[preset][case.name] = figures
        print(case.name, file=sys.stderr)
    names = list(rows["standard"])
    return {
        preset: {
            "iou": round(statistics.mean(of[name]["iou"] for name in names), 4),
            **{
                key: summary(key, np.array([of[n][key] / max(rows["standard"][n][key], 1e-9) for n in names]), names)
                for key in _MEASURES
            },
        }
        for preset, of in rows.items()
        if names
    }


def _errors(case: Case, client: Client, preset: str) -> dict[str, float]:
    alpha, colours = _cut_out(client, case.photo, preset)
    maps = error_maps(alpha, case.alpha)
    band = (case.alpha > 0.02) & (case.alpha < 0.98)
    return {
        "iou": intersection_over_union(alpha > 0.5, case.alpha > 0.5),
        "sad": float(maps.absolute.sum()),
        "gradient": float(maps.gradient.sum()),
        "composite": composite_error(case, alpha[band], colours[band], band),
    }


def _cut_out(client: Client, photo: NDArray[np.uint8], preset: str) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Alpha in 0..1, nothing where no subject is found, and colours."""
    try:
        cutout = client.remove(photo, preset=preset)
    except NoSubjectError:
        return np.zeros(photo.shape[:2], np.float32), photo
    return cutout.alpha.astype(np.float32) / 255, cutout.foreground


def found(client: Client, folder: Path, count: int) -> dict[str, Any]:
    """Mean IoU with the masks of held-out photographs, where these know it, and how many subjects are found."""
    held_out = [one for split in split_sets(folder).values() for one in split.held_out]
    chosen = [held_out[index] for index in np.random.default_rng(0).permutation(len(held_out))[:count]]
    ious: dict[str, list[float]] = {preset: [] for preset in _PRESETS}
    for photograph in chosen:
        known = photograph.read()
        sure = known.known > 0
        for preset, of in ious.items():
            alpha, _ = _cut_out(client, known.image, preset)
            of.append(intersection_over_union((alpha > 0.5)[sure], (known.alpha > 0.5)[sure]))
    means = {preset: round(statistics.mean(of), 4) for preset, of in ious.items()}
    return {"count": len(chosen), "iou": means}


def times(rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of whole requests and of their network, at every size; the presets take turns."""
    rows = []
    with Client("local") as client:
        for megapixels in _MEGAPIXELS:
            jpeg = _portrait(megapixels)
            taken: dict[str, list[tuple[float, float]]] = {preset: [] for preset in _PRESETS}
            for attempt in range(rounds + 1):
                for preset, of in taken.items():
                    began_s = time.perf_counter()
                    cutout = client.remove(jpeg, preset=preset, timeout_s=600)
                    cutout.to_bytes("png")
                    whole_ms = (time.perf_counter() - began_s) * 1e3
                    if attempt:
                        of.append((whole_ms, cutout.milliseconds["network"]))
            rows.append({"megapixels": megapixels, **{preset: _medians(of) for preset, of in taken.items()}})
    return rows


def _medians(of: Iterable[tuple[float, float]]) -> dict[str, float]:
    whole, network = (round(statistics.median(values), 1) for values in zip(*of, strict=True))
    return {"ms": whole, "network_ms": network}


def _portrait(megapixels: float) -> bytes:
    (photograph,) = photographs(None)
    side = round((megapixels * 1e6) ** 0.5)
    picture = Image.open(io.BytesIO(photograph.jpeg))
    file = io.BytesIO()
    picture.resize((side, side), Image.Resampling.LANCZOS).save(file, "JPEG", quality=92)
    return file.getvalue()


def published(rounds: int) -> dict[str, float]:
    """Milliseconds of the published shape's network at 384 and at 1024, with random weights."""
    taken = {}
    for size in (384, 1024):
        network = tuft_runtime.load(plain_graph("published", size, DEFAULT_WORK))
        picture = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
        network.infer(picture)
        spent = []
        for _ in range(rounds):
            began_s = time.perf_counter()
            network.infer(picture)
            spent.append((time.perf_counter() - began_s) * 1e3)
        taken[str(size)] = round(statistics.median(spent), 1)
    return taken


def table(results: Mapping[str, Any]) -> str:
    """Formats errors as ratios to `standard`, then IoU on photographs and times."""
    parts = [f"{results['machine']}, load before {results['load']}"]
    parts += [_quality_table(name, of) for name, of in results["sets"].items() if of]
    if "photographs" in results:
        ious = results["photographs"]["iou"]
        told = ", ".join(f"`{preset}` {ious[preset]:.3f}" for preset in _PRESETS)
        parts.append(f"Mean IoU on {results['photographs']['count']} held-out photographs with masks: {told}.")
    if "times" in results:
        rows = [["megapixels", *(f"{preset}, ms" for preset in _PRESETS), "standard to express"], ["---:"] * 5]
        rows += [_time_row(f"{row['megapixels']:g}", {p: row[p]["ms"] for p in _PRESETS}) for row in results["times"]]
        if "published" in results:
            rows.append(_published_row(results["times"][-1], results["published"]))
        parts.append(markdown_table(rows))
    if "stage" in results:
        parts.append(markdown_table(_stage_rows(results["stage"])))
    return "\n\n".join(parts)


def _stage_rows(costs: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    head = [
        "megapixels",
        "tiles",
        "stage, s",
        "classical, s",
        "memory, bytes a pixel",
        "GFLOP",
        "L4, least ms, computed",
    ]
    keys = (("megapixels", "g"), ("tiles", "d"), ("s", ".2f"), ("classical_s", ".2f"), ("bytes_a_pixel", ".1f"),
            ("gflop", ".0f"), ("l4_least_ms", ".1f"))  # fmt: skip
    return [head, ["---:"] * len(head), *([format(cost[key], style) for key, style in keys] for cost in costs)]


def _quality_table(name: str, of: Mapping[str, Any]) -> str:
    rows = [["preset", *_MEASURES.values(), "worst SAD", "IoU"], ["---", *["---:"] * (len(_MEASURES) + 2)]]
    for preset, one in of.items():
        means = [f"{one[key]['mean']:.2f} ({one[key]['low']:.2f} to {one[key]['high']:.2f})" for key in _MEASURES]
        worst = f"{one['sad']['worst']:.2f} ({one['sad']['worst_of']})"
        rows.append([f"`{preset}`", *means, worst, f"{one['iou']:.3f}"])
    count = len(of["standard"]["sad"]["each"])
    return f"{name[0].upper()}{name[1:]}, {count}:\n\n{markdown_table(rows)}"


def _time_row(label: str, ms: Mapping[str, float]) -> list[str]:
    return [label, *(f"{ms[preset]:.0f}" for preset in _PRESETS), f"{ms['standard'] / ms['express']:.1f}"]


def _published_row(measured: Mapping[str, Any], networks: Mapping[str, float]) -> list[str]:
    """The rest of a request at 12 megapixels with the published shape's network in place of the demo's."""
    sizes = {"express": "384", "standard": "1024", "maximum": "1024"}
    own = {preset: measured[preset]["network_ms"] for preset in _PRESETS}
    ms = {preset: measured[preset]["ms"] - own[preset] + networks[sizes[preset]] for preset in _PRESETS}
    return _time_row(f"{measured['megapixels']:g}, published shape at 384 and 1024 (computed)", ms)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--real", type=Path, metavar="DIR", help="folder with images and masks")
    parser.add_argument("--composites", type=Path, metavar="DIR", help="NAME_image.png, NAME_fg_rgba.png")
    parser.add_argument("--pets", type=Path, metavar="DIR", help="sets of photographs with masks")
    parser.add_argument("--photographs", type=int, default=50, help="how many of --pets (default: 50)")
    parser.add_argument("--scenes", type=int, default=12, help="held-out scenes (default: 12)")
    parser.add_argument("--rounds", type=int, default=5, help="of times (default: 5); 0 leaves them out")
    parser.add_argument(
        "--published", action="store_true", help="also the published shape's time (exports it: minutes)"
    )
    parser.add_argument("--json", type=Path)
    parser.set_defaults(backgrounds=None)
    return parser


if __name__ == "__main__":
    main()
