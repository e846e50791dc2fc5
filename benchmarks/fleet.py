"""How many GPUs do ten million photographs a night take, and 200 requests a second, and what breaks first?

    python benchmarks/fleet.py [--check computed paced] [--no-planning] [--json FILE]

A discrete-event simulation (simpy) of arrivals, queues, batches, cold starts and KEDA's scaling, as deploy/kubernetes
asks for it. It is checked against two real tritonservers on this machine: `computed` is the demo at 384 pixels, `paced`
a model that sleeps as long as its picture says. Their queue is not bounded by Triton, as behind a gateway. The
simulation is given what each request of the same run has taken, and predicts how long requests wait for one another.

The time of an L4 is computed, not measured: the roofline of results/roofline.json (the published network at 1024 pixels
in half precision), times how far this machine was from its own roofline there. Prices are assumptions of this script.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _lib import needs
from _lib.load import arrivals_s
from _lib.machine import machine_facts
from _lib.markdown_table import markdown_table

with needs.packages():
    import numpy as np
    from _fleet.real import compared, repository
    from _fleet.simulation import Fleet, Outcome, Scaler, simulate

    from tuft_export.publishing.demo import demo_repository

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _fleet.simulation import Service

RESULTS: Final = Path(__file__).parent / "results"
LOADS: Final = (0.3, 0.6, 0.8)
CHECKS: Final = ("computed", "paced")
NIGHT_PHOTOGRAPHS: Final = 10_000_000
NIGHT_H: Final = 8.0
RATE_PER_S: Final = 200.0
P99_S: Final = 1.0  # of the server, that is asked for in the day
_MINUTES: Final = 20.0  # that are simulated
_BUSIEST: Final = 0.9  # share of the time that instances may compute
_BATCH: Final = 8  # of config.pbtxt at 1024
_SPREAD: Final = 0.05  # of an L4's times; a GPU's hardly vary
_L4_PER_H, _CORE_PER_H = 0.71, 0.04  # US dollars on demand, assumed
_PICTURE_BYTES: Final = 1024 * 1024 * (3 + 2)  # uint8 there, FP16 back


def l4_s() -> dict[str, float]:
    """Seconds of an L4 for a picture at 1024 pixels: the roofline, and with this machine's distance from its own."""
    data = json.loads((RESULTS / "roofline.json").read_text())
    peaks = {peak["name"]: peak for peak in data["peaks"]}
    roofline_s = _least_s(data["work"], peaks["L4 fp16"])
    distance = data["measured"]["bf16"]["whole_s"] / _least_s(data["work"], peaks["bf16"])
    return {"roofline_s": roofline_s, "distance": distance, "assumed_s": roofline_s * distance}


def _least_s(work: Mapping[str, Mapping[str, float]], peak: Mapping[str, Any]) -> float:
    seconds: float = sum(
        max(one["product_flop"] / peak["flop_per_s"], one["fused_values"] * peak["value_bytes"] / peak["bytes_per_s"])
        for one in work.values()
    )
    return seconds


def around_core_s() -> float:
    """Core-seconds around the network for a photograph of 12 megapixels."""
    data = json.loads((RESULTS / "around_network.json").read_text())
    return float(np.median([run["CPU"] for run in data["runs"]["tuft"]])) / 1e3


def plan(picture_s: float, around_s: float) -> dict[str, Any]:
    """The night and the day on L4s that take `picture_s` for a picture, whatever the size of the batch."""
    return {"night": _night(picture_s, around_s), "day": _day(picture_s, around_s), "bursts": _bursts(picture_s)}


def _service(picture_s: float) -> Service:
    """Bound by memory traffic, an L4 gains little by a batch: its time is that of its pictures."""
    rng = np.random.default_rng(3)
    return lambda numbers: picture_s * len(numbers) * float(rng.lognormal(-(_SPREAD**2) / 2, _SPREAD))


def _night(picture_s: float, around_s: float) -> dict[str, float]:
    """GPUs that are never without a full queue."""
    rate_per_s = NIGHT_PHOTOGRAPHS / NIGHT_H / 3600
    gpus = int(np.ceil(rate_per_s * picture_s / 0.95))  # a twentieth for starts and stragglers
    cores = int(np.ceil(rate_per_s * around_s / 0.95))
    cost = NIGHT_H * (gpus * _L4_PER_H + cores * _CORE_PER_H)
    gbit_per_s = rate_per_s * _PICTURE_BYTES * 8 / 1e9
    return {"rate_per_s": rate_per_s, "gpus": gpus, "cores": cores, "dollars": cost, "gbit_per_s": gbit_per_s}


def _day(picture_s: float, around_s: float) -> dict[str, Any]:
    """The fewest instances with which the 99th percentile holds at a constant rate."""
    service = _service(picture_s)
    at_s = arrivals_s(RATE_PER_S, int(RATE_PER_S * 60 * 3), seed=5)
    rows = []
    for count in range(1, 64):
        if count * _BUSIEST < RATE_PER_S * picture_s:  # they would serve for minutes, and queue without end in hours
            continue
        outcome = simulate(at_s, Fleet(Scaler(count, count), _BATCH), service)
        rows.append({"instances": count, **_figures(outcome, at_s[-1])})
        if outcome.percentile_s(99) <= P99_S and not outcome.refused:
            break
    cores = int(np.ceil(RATE_PER_S * around_s / 0.7))
    dollars = 24 * (rows[-1]["instances"] * _L4_PER_H + cores * _CORE_PER_H)
    return {"rows": rows, "cores": cores, "dollars_a_day": dollars, "gbit_per_s": RATE_PER_S * _PICTURE_BYTES * 8 / 1e9}


def _bursts(picture_s: float) -> list[dict[str, float]]:
    """Five minutes of more requests than the fleet was scaled for: how far do queues and cold starts carry it?"""
    rows, service = [], _service(picture_s)
    usual = 0.25 * RATE_PER_S
    for factor in (1.5, 2.0, 4.0):
        first = arrivals_s(usual, int(usual * 600), seed=7)
        burst = [first[-1] + at_s for at_s in arrivals_s(usual * factor, int(usual * factor * 300), seed=8)]
        after = [burst[-1] + at_s for at_s in arrivals_s(usual, int(usual * 300), seed=9)]
        least = max(2, int(np.ceil(usual * picture_s / 0.7)))
        outcome = simulate([*first, *burst, *after], Fleet(Scaler(least, 16), _BATCH), service)
        rows.append({"factor": factor, "least": least, **_figures(outcome, after[-1])})
    return rows


def _figures(outcome: Outcome, seconds: float) -> dict[str, float]:
    return {
        "p50_ms": outcome.percentile_s(50) * 1e3,
        "p99_ms": outcome.percentile_s(99) * 1e3,
        "refused": outcome.refused,
        "answered": len(outcome.latencies_s),
        "most_instances": outcome.most_instances,
        "gpu_hours": outcome.instance_s / 3600,
        "busy": outcome.busy_s / max(outcome.instance_s, seconds),
    }


def table(data: Mapping[str, Any]) -> str:
    """Two tables as Markdown: the check, and the plans."""
    parts = []
    if checks := data.get("checks"):
        rows = [["two real servers", "load", "service, ms", "measured p95, ms", "predicted p95, ms", "ratio"]]
        rows.append(["---", "---:", "---:", "---:", "---:", "---:"])
        rows += [
            [name, f"{one['load']:.0%}", f"{one['service_ms']:.0f}", f"{one['measured_p95_ms']:.0f}",
             f"{one['predicted_p95_ms']:.0f}", f"{one['ratio']:.2f}"]
            for name, several in checks.items() for one in several
        ]  # fmt: skip
        parts.append(markdown_table(rows))
    if plans := data.get("plans"):
        parts.append(_plans(plans))
    return "\n\n".join(parts)


def _plans(plans: Mapping[str, Any]) -> str:
    rows = [["computed, not measured", *(f"{float(name):.0f} ms a picture" for name in plans)]]
    rows.append(["---"] + ["---:"] * len(plans))
    night, day = [one["night"] for one in plans.values()], [one["day"] for one in plans.values()]
    last = [one["rows"][-1] for one in day]
    rows += [
        ["ten million in eight hours: L4s", *(f"{one['gpus']}" for one in night)],
        ["… cores for what is around the network (12 megapixels)", *(f"{one['cores']:,}" for one in night)],
        ["… dollars", *(f"{one['dollars']:,.0f}" for one in night)],
        ["200 requests a second: L4s for a p99 of 1 s", *(f"{one['instances']}" for one in last)],
        ["… p50, p99 in the server, ms", *(f"{one['p50_ms']:.0f}, {one['p99_ms']:.0f}" for one in last)],
        ["… busy", *(f"{one['busy']:.0%}" for one in last)],
        ["… cores around the network, 70 % busy", *(f"{one['cores']:,}" for one in day)],
        ["… Gbit/s between them", *(f"{one['gbit_per_s']:.1f}" for one in day)],
        ["… dollars a day", *(f"{one['dollars_a_day']:,.0f}" for one in day)],
    ]
    for number, one in enumerate(next(iter(plans.values()))["bursts"]):
        found = [each["bursts"][number] for each in plans.values()]
        rows.append([f"50 a second, then {one['factor']:g} times as many for five minutes: p99, refused, most L4s",
                     *(f"{each['p99_ms'] / 1e3:.1f} s, {each['refused'] / (each['refused'] + each['answered']):.1%}, "
                       f"{each['most_instances']:.0f}" for each in found)])  # fmt: skip
    return markdown_table(rows)


def main() -> int:
    """Checks and plans; `--json` keeps the numbers."""
    parser = argparse.ArgumentParser(description="A fleet in simulation.")
    parser.add_argument("--check", nargs="*", choices=CHECKS, default=CHECKS)
    parser.add_argument("--requests", type=int, default=100, help="of each check; %(default)s by default")
    parser.add_argument("--no-planning", dest="planning", action="store_false")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    options = parser.parse_args()
    data: dict[str, Any] = dict(machine_facts())
    if options.json and options.json.is_file():
        data = {**json.loads(options.json.read_text()), **data}
    for check in options.check:
        with tempfile.TemporaryDirectory(prefix="tuft-fleet-") as folder:
            served = repository(demo_repository(), Path(folder), paced=check == "paced")
            data.setdefault("checks", {})[check] = compared(served, LOADS, options.requests)
    if options.planning:
        data["l4"] = l4_s()
        times = (data["l4"]["roofline_s"], data["l4"]["assumed_s"], 2 * data["l4"]["roofline_s"])
        data["plans"] = {f"{1e3 * one:.1f}": plan(one, around_core_s()) for one in times}
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
