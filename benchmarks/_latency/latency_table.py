"""Formats the JSON of `latency.py` as Markdown."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final

from _lib.load import PERCENTILES, percentiles
from _lib.markdown_table import markdown_table
from _lib.photographs import described
from _lib.stages import OF_THE_CALL, around_the_network_ms, call_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _lib.stages import Milliseconds

_MB: Final = 1e6
_BARE: Final = "bare "


def bare_name(model: str) -> str:
    """The name of a model's network as a baseline, called without Triton."""
    return f"{_BARE}{model}"


def table(data: Mapping[str, Any]) -> str:
    """Formats all measurements; each table follows a sentence that describes it."""
    ours = {name: runs for name, runs in data["runs"].items() if name in data["models"]}
    others = {name: runs for name, runs in data["runs"].items() if name not in data["models"]}
    count = len(next(iter(data["runs"].values())))
    where = ", ".join([data["machine"], data["server"], f"weights {data['weights']}", *data["parameters"]])
    parts = [
        f"{where}, load before {data['load']}; {described(data['photographs'])}",
        f"One caller, milliseconds, medians of {count} request{'s' * (count > 1)} by stage:",
        stage_table(ours),
    ]
    baselines = {name: runs for name, runs in others.items() if not name.startswith(_BARE)}
    if baselines:
        parts += ["Against each other, in turn, medians:", baseline_table(ours, baselines)]
    if any(name.startswith(_BARE) for name in others):
        parts += ["Over the bare network, called without Triton in turn, medians of differences:", bare_table(data)]
    if data["together"]:
        parts += ["Several callers at once (closed loop), milliseconds:", concurrent_table(data["together"])]
    if data["peak_bytes"]:
        parts += ["Peak of resident memory, MB:", memory_table(data["peak_bytes"])]
    return "\n\n".join(parts)


def stage_table(runs: Mapping[str, Sequence[Milliseconds]]) -> str:
    """One row per preset: medians of its stages, percentiles of the whole."""
    stages = list(next(iter(runs.values()))[0])
    rows = [["preset", *stages, *_percents("all, ")], ["---"] + ["---:"] * (len(stages) + len(PERCENTILES))]
    for preset, of_preset in runs.items():
        wholes = percentiles([sum(run.values()) for run in of_preset]).values()
        rows.append([f"`{preset}`", *(f"{ms:.0f}" for ms in [*_medians(of_preset).values(), *wholes])])
    return markdown_table(rows)


def baseline_table(ours: Mapping[str, Sequence[Milliseconds]], baselines: Mapping[str, Sequence[Milliseconds]]) -> str:
    """One row per preset and baseline: the whole time of both, and the baseline's as a multiple of tuft's."""
    rows = [
        ["preset", "ms", "baseline", "its stages, ms", "ms", "times tuft's"],
        ["---", "---:", "---", "---"] + ["---:"] * 2,
    ]
    for preset, of_preset in ours.items():
        for baseline, of_baseline in baselines.items():
            stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in _medians(of_baseline).items())
            our_ms, their_ms = (_median_whole(runs) for runs in (of_preset, of_baseline))
            ratio = f"{their_ms / our_ms:.2f}"
            rows.append([f"`{preset}`", f"{our_ms:.0f}", baseline, stages, f"{their_ms:.0f}", ratio])
    return markdown_table(rows)


def bare_table(data: Mapping[str, Any]) -> str:
    """The overhead over the bare network: of a preset's call to the server, and of all its stages except `ASIDE`.

    A preset that chooses its model by the photograph has no row.
    """
    rows = [["preset", "bare network, ms", "the call more, ms", "with resizing and composing more, ms"]]
    rows.append(["---"] + ["---:"] * 3)
    for preset, models in data["models"].items():
        if len(models) > 1:
            continue
        runs, bare = data["runs"][preset], [run["network"] for run in data["runs"][bare_name(models[0])]]
        more = [
            statistics.median(of_run(run) - ms for run, ms in zip(runs, bare, strict=True))
            for of_run in (call_ms, around_the_network_ms)
        ]
        rows.append([f"`{preset}`", f"{statistics.median(bare):.0f}", *(f"{ms:.1f}" for ms in more)])
    return markdown_table(rows)


def concurrent_table(loads: Sequence[Mapping[str, Any]]) -> str:
    """One row per preset and number of callers."""
    heading = ["preset", "callers", *_percents(""), "images/s", "queue, mean", "network, mean", "did not answer"]
    rows = [heading, ["---"] + ["---:"] * (len(heading) - 1)]
    for load in loads:
        failed = sum(load["outcomes"].values()) - len(load["latencies_ms"])
        times_ms = [f"{load['latency_ms'].get(name, float('nan')):.0f}" for name in _percents("")]
        server_ms = [f"{load['triton'][name]:.0f}" for name in ("queue_ms", "network_ms")]
        callers = [f"`{load['preset']}`", str(load["concurrency"])]
        rows.append([*callers, *times_ms, f"{load['images_per_s']:.2f}", *server_ms, str(failed)])
    return markdown_table(rows)


def memory_table(peak_bytes: Mapping[str, Mapping[str, int]]) -> str:
    """One row per process with its descendants: the peak while loading, and after the first round."""
    rows = [["process", "loading", "working"], ["---", "---:", "---:"]]
    rows += [
        [name, *(f"{peaks[moment] / _MB:.0f}" for moment in ("loading", "working"))]
        for name, peaks in peak_bytes.items()
    ]
    return markdown_table(rows)


def client_stages(run: Milliseconds) -> Milliseconds:
    """One run under the client's own stage names, where `network` is the whole call."""
    return {**{stage: ms for stage, ms in run.items() if stage not in OF_THE_CALL}, "network": call_ms(run)}


def _medians(runs: Sequence[Milliseconds]) -> Milliseconds:
    return {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}


def _median_whole(runs: Sequence[Milliseconds]) -> float:
    return statistics.median(sum(run.values()) for run in runs)


def _percents(prefix: str) -> list[str]:
    return [f"{prefix}p{percent}" for percent in PERCENTILES]
