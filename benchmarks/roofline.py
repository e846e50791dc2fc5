"""How far is the network from the limit of the machine?

    python benchmarks/roofline.py [--weights demo|published] [--size PX] [--repetitions N]
                                    [--no-measuring] [--work DIR] [--json FILE]

Counts the operations of a plain pass, stage by stage, in the exported graph and in the reference's own network. The
lower bound of a stage is the longer of two times at this machine's measured peaks: that of its matrix products, and
that of their memory traffic. OpenVINO's profile of the same graph stands beside it. The bounds for an NVIDIA L4 are
computed from its datasheet, not measured.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _lib.machine import machine_facts
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from _lib.published import WEIGHTS, checkpoint_of, reference_network
from _lib.serving import DEFAULT_WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

with packages():
    from _lib.graphs import plain_graph
    from _roofline.operation_count import Work, reference_flop, work_by_stage
    from _roofline.peaks import L4, VALUE_BYTES, Peak, measured_peaks
    from _roofline.stage_profile import profile

_ALL: Final = "all"


def main() -> None:
    """Counts, measures and prints a Markdown table; `--json` keeps the raw numbers."""
    parser = argparse.ArgumentParser(description="The network's distance to the limit of the machine.")
    parser.add_argument("--weights", choices=WEIGHTS, default="published")
    parser.add_argument("--size", type=int, default=1024, help="in pixels (default: 1024)")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--no-measuring", dest="measuring", action="store_false", help="only count")
    parser.add_argument("--work", type=Path, default=DEFAULT_WORK, help="keeps what was exported")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    options = parser.parse_args()
    data = roofline(options.weights, options.size, options.work, options.repetitions if options.measuring else 0)
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def roofline(weights: str, size_px: int, folder: Path, repetitions: int) -> dict[str, Any]:
    """Returns the data for JSON; with `repetitions` 0 the work is counted and nothing is measured."""
    import onnx

    facts = machine_facts()
    path = plain_graph(weights, size_px, folder)
    data: dict[str, Any] = {
        **facts,
        "weights": weights,
        "size": size_px,
        "work": {stage: asdict(work) for stage, work in work_by_stage(onnx.load(path)).items()},
        # The reference has no network with the demo's shape.
        "reference_flop": _reference_flop(size_px, folder) if weights == "published" else {},
        "peaks": [asdict(peak) for peak in L4],
    }
    if repetitions:
        measured = measured_peaks()
        data["peaks"] = [asdict(peak) for peak in (*measured, *L4)]
        data["measured"] = {peak.name: asdict(profile(path, peak.name, repetitions)) for peak in measured}
    return data


def _reference_flop(size_px: int, folder: Path) -> dict[str, int]:
    """Operations of transparent-background's network with the published shape, for a picture of the same size."""
    import torch

    network = reference_network(checkpoint_of("published", folder).path)
    return reference_flop(network.to("meta"), torch.zeros(1, 3, size_px, size_px, device="meta"))


def table(data: Mapping[str, Any]) -> str:
    """Formats the peaks of the machine, then the limits stage by stage, as Markdown."""
    peaks = [Peak(**peak) for peak in data["peaks"]]
    return "\n\n".join([_heading(data), markdown_table(_peak_rows(peaks)), markdown_table(_stage_rows(data, peaks))])


def _heading(data: Mapping[str, Any]) -> str:
    wholes = [f"{name} {profile['whole_s']:.2f} s" for name, profile in data.get("measured", {}).items()]
    measured = f"; a whole pass without the profile: {', '.join(wholes)}" if wholes else ""
    where = f"{data['machine']}, load before {data['load']}"
    return f"{where}; one plain pass at {data['size']}, {data['weights']} weights{measured}."


def _peak_rows(peaks: list[Peak]) -> list[list[str]]:
    rows = [["peak", "TFLOP/s", "GB/s", "by"], ["---", "---:", "---:", "---"]]
    return rows + [[p.name, f"{p.flop_per_s / 1e12:.3g}", f"{p.bytes_per_s / 1e9:.3g}", p.source] for p in peaks]


def _stage_rows(data: Mapping[str, Any], peaks: list[Peak]) -> list[list[str]]:
    columns = dict(_columns(data, peaks))
    head = [["stage", *columns], ["---"] + ["---:"] * len(columns)]
    return head + [[stage, *(column.get(stage, "") for column in columns.values())] for stage in (*data["work"], _ALL)]


def _columns(data: Mapping[str, Any], peaks: list[Peak]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields headings with cells by stage: the counts, then for each peak its lower bound and the measured time."""
    works = {stage: Work(**work) for stage, work in data["work"].items()}
    if data["reference_flop"]:
        yield "GFLOP, reference", _cells(data["reference_flop"], lambda flop: f"{flop / 1e9:.1f}")
    yield "GFLOP", _cells({stage: work.product_flop for stage, work in works.items()}, lambda flop: f"{flop / 1e9:.1f}")
    values = {stage: work.fused_values for stage, work in works.items()}
    yield "GB, f32", _cells(values, lambda count: f"{count * VALUE_BYTES['f32'] / 1e9:.2f}")
    for peak in peaks:
        least_s = {stage: peak.least_s(work) for stage, work in works.items()}
        yield f"{peak.name} least, ms", _cells(least_s, _ms)
        if peak.name in data.get("measured", {}):
            taken_s = data["measured"][peak.name]["stages_s"]
            yield f"{peak.name} measured, ms", _cells(taken_s, _ms)
            shares = {stage: least_s[stage] / seconds for stage, seconds in taken_s.items() if seconds}
            of_all = sum(least_s.values()) / sum(taken_s.values())
            yield (
                f"{peak.name}, of the limit",
                {stage: f"{share:.0%}" for stage, share in {**shares, _ALL: of_all}.items()},
            )


def _cells(values: Mapping[str, float], written: Callable[[float], str]) -> dict[str, str]:
    """Formats the values by stage, and their sum."""
    return {stage: written(value) for stage, value in {**values, _ALL: sum(values.values())}.items()}


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}" if seconds < 0.01 else f"{seconds * 1e3:.0f}"


if __name__ == "__main__":
    main()
