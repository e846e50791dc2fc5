"""What `latency.py` has measured as Markdown, from its JSON."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final

from _lib.load import PERCENTILES, percentiles
from _lib.photographs import described
from _lib.stages import OF_THE_CALL, around_the_network_ms, call_ms
from _lib.table import markdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _lib.stages import Milliseconds

_MB: Final = 1e6
_BARE: Final = "bare "


def bare_name(model: str) -> str:
    """What the network of a model is called when it is called without Triton."""
    return f"{_BARE}{model}"


def table(data: Mapping[str, Any]) -> str:
    """All that was measured, each table under the sentence that says what it is."""
    ours = {name: runs for name, runs in data["runs"].items() if name in data["models"]}
    others = {name: runs for name, runs in data["runs"].items() if name not in data["models"]}
    count = len(next(iter(data["runs"].values())))
    where = ", ".join([data["machine"], data["server"], f"weights {data['weights']}", *data["parameters"]])
    parts = [
        f"{where}, load before {data['load']}; {described(data['photographs'])}",
        f"One caller, milliseconds, medians of {count} request{'s' * (count > 1)} by stage:",
        stage_table(ours),
    ]
    rivals = {name: runs for name, runs in others.items() if not name.startswith(_BARE)}
    if rivals:
        parts += ["Against each other, in turn, medians:", rival_table(ours, rivals)]
    if any(name.startswith(_BARE) for name in others):
        parts += ["Over the bare network, called without Triton in turn, medians of differences:", bare_table(data)]
    if data["together"]:
        parts += ["Several callers at once (closed loop), milliseconds:", together_table(data["together"])]
    if data["peak_bytes"]:
        parts += ["Peak of resident memory, MB:", memory_table(data["peak_bytes"])]
    return "\n\n".join(parts)


def stage_table(runs: Mapping[str, Sequence[Milliseconds]]) -> str:
    """One row a preset: medians of its stages, percentiles of the whole."""
    stages = list(next(iter(runs.values()))[0])
    rows = [["preset", *stages, *_percents("all, ")], ["---"] + ["---:"] * (len(stages) + len(PERCENTILES))]
    for preset, of_preset in runs.items():
        wholes = percentiles([sum(run.values()) for run in of_preset]).values()
        rows.append([f"`{preset}`", *(f"{ms:.0f}" for ms in [*_medians(of_preset).values(), *wholes])])
    return markdown(rows)


def rival_table(ours: Mapping[str, Sequence[Milliseconds]], rivals: Mapping[str, Sequence[Milliseconds]]) -> str:
    """One row a preset and rival: the whole time of both, and how many times tuft's the rival's is."""
    rows = [
        ["preset", "ms", "rival", "its stages, ms", "ms", "times tuft's"],
        ["---", "---:", "---", "---"] + ["---:"] * 2,
    ]
    for preset, of_preset in ours.items():
        for rival, of_rival in rivals.items():
            stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in _medians(of_rival).items())
            our_ms, their_ms = (_median_whole(runs) for runs in (of_preset, of_rival))
            ratio = f"{their_ms / our_ms:.2f}"
            rows.append([f"`{preset}`", f"{our_ms:.0f}", rival, stages, f"{their_ms:.0f}", ratio])
    return markdown(rows)


def bare_table(data: Mapping[str, Any]) -> str:
    """What the call of a preset, and its whole way without `ASIDE`, take more than the bare network of its model.

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
    return markdown(rows)


def together_table(crowds: Sequence[Mapping[str, Any]]) -> str:
    """One row a preset and number of callers."""
    heading = ["preset", "callers", *_percents(""), "images/s", "queue, mean", "network, mean", "did not answer"]
    rows = [heading, ["---"] + ["---:"] * (len(heading) - 1)]
    for crowd in crowds:
        failed = sum(crowd["outcomes"].values()) - len(crowd["latencies_ms"])
        times_ms = [f"{crowd['latency_ms'].get(name, float('nan')):.0f}" for name in _percents("")]
        server_ms = [f"{crowd['triton'][name]:.0f}" for name in ("queue_ms", "network_ms")]
        callers = [f"`{crowd['preset']}`", str(crowd["concurrency"])]
        rows.append([*callers, *times_ms, f"{crowd['images_per_s']:.2f}", *server_ms, str(failed)])
    return markdown(rows)


def memory_table(peak_bytes: Mapping[str, Mapping[str, int]]) -> str:
    """One row a process with its descendants: until it was ready, and after the first round, which is not looked at."""
    rows = [["process", "loading", "working"], ["---", "---:", "---:"]]
    rows += [
        [name, *(f"{peaks[moment] / _MB:.0f}" for moment in ("loading", "working"))]
        for name, peaks in peak_bytes.items()
    ]
    return markdown(rows)


def client_stages(run: Milliseconds) -> Milliseconds:
    """One run by the names that `tuft` gives its stages: there, `network` is the whole call."""
    return {**{stage: ms for stage, ms in run.items() if stage not in OF_THE_CALL}, "network": call_ms(run)}


def _medians(runs: Sequence[Milliseconds]) -> Milliseconds:
    return {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}


def _median_whole(runs: Sequence[Milliseconds]) -> float:
    return statistics.median(sum(run.values()) for run in runs)


def _percents(prefix: str) -> list[str]:
    return [f"{prefix}p{percent}" for percent in PERCENTILES]
