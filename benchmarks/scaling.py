"""How do time and memory grow with the size of the picture and the batch?

    python benchmarks/scaling.py [--weights demo|published] [--sizes PX ...] [--batches N ...] [--batch-size-px PX]
                                 [--megapixels MP ...] [--precisions f32 bf16] [--against torch]
                                 [--rounds N] [--repetitions N] [--work DIR] [--json FILE]

The network is measured in plain passes of the same weights at every working size, and in batches at one of them, in
OpenVINO as the server computes it; with `--against`, also transparent-background's network in torch. The client is
measured by the megapixels of the photograph: everything around the network at 1024. Each point has a process of its
own, whose peak resident set is its memory; points take turns, round by round. Exponents are fitted to the logarithms
of the medians. With `--json`, a plot is written beside the file, as .svg and .png.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from _lib.machine import machine_facts
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from _lib.published import WEIGHTS, checkpoint_of
from _lib.serving import DEFAULT_WORK
from _lib.subprocess_worker import run_subprocess
from _lib.synthetic_photograph import synthetic_photograph
from _scaling.scaling_plot import AXES, plot
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

with packages():
    from _lib.graphs import plain_graph
    from _scaling.power_law import PowerLaw, power_law

REFERENCE: Final = "torch"
COST_WORKER: Final = "_lib.cost_worker"
COSTS: Final = {"seconds": "s", "peak_bytes": "GB"}


class Point(NamedTuple):
    """One point to measure.

    Attributes:
        axis: A key of `AXES`.
        contestant: Name in tables.
        x: Position on the axis.
        command: The arguments of `_lib.cost_worker`.
    """

    axis: str
    contestant: str
    x: float
    command: tuple[str, dict[str, Any]]


def main() -> None:
    """Measures and prints Markdown tables; `--json` keeps the raw numbers, and the plot beside them."""
    options = _parser().parse_args()
    facts = machine_facts()
    points = [*_network_points(options), *_client_points(options)]
    settings = {"weights": options.weights, "batch_size_px": options.batch_size_px}
    data = {**facts, **settings, **measured(points, options.rounds)}
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")
        plot(data, options.json)


def measured(points: Sequence[Point], rounds: int) -> dict[str, Any]:
    """Measures all points, round by round; returns `rows` and `fits`."""
    answers: list[list[dict[str, Any]]] = [[] for _ in points]
    turns = [(index, point) for _ in range(rounds) for index, point in enumerate(points)]
    for index, point in tqdm(turns, unit="process"):
        answers[index].append(_in_a_process(*point.command))
    rows = [_row(point, of_point) for point, of_point in zip(points, answers, strict=True)]
    return {"rows": rows, "fits": fits(rows)}


def _row(point: Point, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    runs = [seconds for answer in answers for seconds in answer["seconds"]]
    peaks = [answer["peak_bytes"] for answer in answers]
    return {
        "axis": point.axis,
        "contestant": point.contestant,
        "x": point.x,
        "seconds": statistics.median(runs),
        "peak_bytes": statistics.median(peaks),
        "runs": runs,
    }


def fits(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Fits a power law to each cost along each axis with three points or more."""
    found = []
    for axis, contestant in dict.fromkeys((row["axis"], row["contestant"]) for row in rows):
        of_line = [row for row in rows if (row["axis"], row["contestant"]) == (axis, contestant)]
        for cost in COSTS:
            if len(of_line) > 2:
                fit = power_law([row["x"] for row in of_line], [row[cost] for row in of_line])
                found.append({"axis": axis, "contestant": contestant, "cost": cost, **asdict(fit)})
    return found


def table(data: Mapping[str, Any]) -> str:
    """Formats a table per axis, time and memory of each contestant with exponents in the last row, and ratios."""
    axes = [axis for axis in AXES if any(row["axis"] == axis for row in data["rows"])]
    where = f"{data['machine']}, load before {data['load']}; {data['weights']} weights."
    return "\n\n".join([where, *(_axis_table(data, axis) for axis in axes), *_ratios(data["rows"])])


def _axis_table(data: Mapping[str, Any], axis: str) -> str:
    rows = [row for row in data["rows"] if row["axis"] == axis]
    columns = [(name, cost) for name in dict.fromkeys(row["contestant"] for row in rows) for cost in COSTS]
    by_cell = {(row["x"], row["contestant"]): row for row in rows}
    label = AXES[axis] + (f" at {data['batch_size_px']}" if axis == "batch" else "")
    head = [[label, *(f"{name}, {COSTS[cost]}" for name, cost in columns)], ["---:"] * (len(columns) + 1)]
    body = [
        [f"{x:g}", *(_written(by_cell[x, name][cost], cost) if (x, name) in by_cell else "" for name, cost in columns)]
        for x in dict.fromkeys(row["x"] for row in rows)
    ]
    laws = {(fit["contestant"], fit["cost"]): _law(fit) for fit in data["fits"] if fit["axis"] == axis}
    exponents = [["exponent", *(str(laws.get(column, "")) for column in columns)]] if laws else []
    return markdown_table([*head, *body, *exponents])


def _written(value: float, cost: str) -> str:
    return f"{value:.3g}" if cost == "seconds" else f"{value / 1e9:.2f}"


def _law(fit: Mapping[str, Any]) -> PowerLaw:
    return PowerLaw(*(fit[name] for name in ("factor", "exponent", "low", "high")))


def _ratios(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Compares 2048 with 1024, for each contestant that has both."""
    by_point = {(row["contestant"], row["x"]): row for row in rows if row["axis"] == "size"}
    for contestant in dict.fromkeys(name for name, _ in by_point):
        small, large = (by_point.get((contestant, size)) for size in (1024, 2048))
        if small and large:
            time_ratio, memory_ratio = (large[cost] / small[cost] for cost in COSTS)
            ratios = f"{time_ratio:.2f} times the time, {memory_ratio:.2f} times the memory"
            yield f"2048 plain against 1024 plain, {contestant}: {ratios}."


def _network_points(options: argparse.Namespace) -> Iterator[Point]:
    where = [("size", float(size), size, 1) for size in options.sizes]
    where += [("batch", float(batch), options.batch_size_px, batch) for batch in options.batches]
    for axis, x, size, batch in where:
        run = {"batch": batch, "repetitions": options.repetitions}
        graph = _exported(options.weights, size, options.work)
        for precision in options.precisions:
            command = ("openvino", {**run, "graph": str(graph), "precision": precision})
            yield Point(axis, f"OpenVINO {precision}", x, command)
        if options.against:
            checkpoint = checkpoint_of("published", options.work).path
            yield Point(axis, REFERENCE, x, ("torch", {**run, "checkpoint": str(checkpoint), "size": size}))


def _exported(weights: str, size: int, folder: Path) -> Path:
    print(f"The graph of the {weights} weights at {size} ...", file=sys.stderr)
    return plain_graph(weights, size, folder)


def _client_points(options: argparse.Namespace) -> Iterator[Point]:
    for megapixels in options.megapixels:
        jpeg, saliency = synthetic_photograph(megapixels)
        options.work.mkdir(parents=True, exist_ok=True)
        path = options.work / f"{megapixels:g}_megapixels.jpg"
        path.write_bytes(jpeg)
        np.save(path.with_suffix(".npy"), saliency)
        yield Point("photo", "client", megapixels, ("client", {"jpeg": str(path), "repetitions": options.repetitions}))


def _in_a_process(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return run_subprocess(COST_WORKER, kind, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Time and memory against size, batch and photograph.")
    arguments: list[tuple[str, dict[str, Any]]] = [
        ("--weights", {"choices": WEIGHTS, "default": "published"}),
        ("--sizes", {"type": int, "nargs": "*", "default": [384, 512, 768, 1024, 1536]}),
        ("--batches", {"type": int, "nargs": "*", "default": [1, 2, 4]}),
        ("--batch-size-px", {"type": int, "default": 1024, "help": "working size of the batches"}),
        ("--megapixels", {"type": float, "nargs": "*", "default": [1, 2, 4, 8, 12, 24], "help": "of photographs"}),
        ("--precisions", {"nargs": "*", "choices": ["f32", "bf16"], "default": ["f32", "bf16"]}),
        ("--against", {"choices": [REFERENCE], "help": "transparent-background's network, published shape"}),
        ("--rounds", {"type": int, "default": 2, "help": "processes for each point"}),
        ("--repetitions", {"type": int, "default": 2, "help": "in each process"}),
        ("--work", {"type": Path, "default": DEFAULT_WORK, "help": "keeps what was exported"}),
        ("--json", {"type": Path, "help": "where the raw numbers go, and the plot beside them"}),
    ]
    for name, settings in arguments:
        parser.add_argument(name, **settings)
    return parser


if __name__ == "__main__":
    main()
