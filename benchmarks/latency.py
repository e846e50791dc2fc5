"""What does a caller wait, from the first byte of a JPEG to the last byte of a PNG, and for what?

    python benchmarks/latency.py [--weights demo|published] [--presets ...] [--photos DIR] [--json FILE]
    python benchmarks/latency.py --weights published --presets standard --against transparent-background --bare
    python benchmarks/latency.py --url HOST:PORT --concurrency 1 4 8

Alone, all contestants take turns, photograph by photograph, so that a slow minute of the machine falls on all of them;
the first round does not count. With a `--concurrency` above 1 that many callers keep asking, each again as soon as it
has its answer (closed loop): their latency says how long a full queue takes, not how long a caller waits under a given
load; for that see `throughput.py`. Percentiles are of so many requests as are said.

`--against transparent-background` lets its `Remover.process(type="rgba")` and a save as PNG take turns with tuft, on
the same weights and photographs, in a process of its own. `--bare` does the same with the network as it is served, but
without Triton: what is left of tuft's time, decoding, refinement and encoding aside, is the price of client and server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _latency.table import bare_name, table
from _lib.counters import counting
from _lib.load import OK, closed_loop, percentiles
from _lib.machine import machine_facts
from _lib.photographs import Photograph, photographs
from _lib.serving import (
    Processes,
    add_arguments,
    repository_to_serve,
    require_consistent,
    server_of,
    serving,
    this_process,
)
from _lib.stages import Milliseconds, cut_out, cut_out_alone
from _lib.subprocess_worker import Worker

from tuft import PRESETS, Client
from tuft.contract import model_name
from tuft.presets import working_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from _lib.counters import Counters

    Contestant = Callable[[Photograph], Milliseconds]

PEER: Final = "transparent-background"
PUBLISHED: Final = "published.pth"  # as benchmarks/_lib/published.py calls it, which needs torch
_HERE: Final = Path(__file__).parent


def measured(
    contestants: Mapping[str, Contestant],
    subjects: Sequence[Photograph],
    repetitions: int,
    warm: Callable[[], None],
) -> dict[str, list[Milliseconds]]:
    """Milliseconds by stage of every contestant, photographs in order, repetition by repetition.

    Args:
        contestants: By name; they take turns.
        subjects: What each is given.
        repetitions: Rounds that count.
        warm: Called after the one that does not.
    """
    runs: dict[str, list[Milliseconds]] = {name: [] for name in contestants}
    for repetition in range(repetitions + 1):
        for photograph in subjects:
            for name, run in contestants.items():
                milliseconds = run(photograph)
                if repetition:
                    runs[name].append(milliseconds)
        if not repetition:
            warm()
    return runs


def summary(runs: Mapping[str, Sequence[Milliseconds]]) -> dict[str, dict[str, dict[str, float]]]:
    """Percentiles by contestant and stage; `all` is of the whole times."""
    return {
        name: {
            **{stage: percentiles([run[stage] for run in of_name]) for stage in of_name[0]},
            "all": percentiles([sum(run.values()) for run in of_name]),
        }
        for name, of_name in runs.items()
    }


def together(
    client: Client,
    preset: str,
    subjects: Sequence[Photograph],
    concurrency: int,
    requests: int,
    count: Callable[[], Counters],
) -> dict[str, Any]:
    """What so many callers at once see, and what the server has counted meanwhile (means)."""

    def ask(number: int) -> Milliseconds:
        return cut_out(client, subjects[number % len(subjects)].jpeg, preset)

    window = closed_loop(ask, concurrency, requests, count)
    stages = [call.result for call in window.answered if call.result is not None]
    return {
        "preset": preset,
        "concurrency": concurrency,
        "outcomes": window.outcomes,
        "images_per_s": window.per_s,
        "latency_ms": window.latency_ms(),
        "stages_ms": {stage: percentiles([one[stage] for one in stages]) for stage in (stages[0] if stages else ())},
        "triton": (window.after - window.before).to_dict(),
        "latencies_ms": [call.latency_ms for call in window.calls if call.outcome == OK],
    }


def latency(
    url: str,
    presets: Sequence[str],
    subjects: Sequence[Photograph],
    *,
    repetitions: int,
    concurrency: Sequence[int] = (1,),
    rivals: Mapping[str, Worker] | None = None,
) -> dict[str, Any]:
    """Asks a running server; `rivals` by name take turns with tuft, and are given the path of a photograph.

    Returns:
        `server`, `runs`, `summary`, `together` and `peak_bytes`, as they go into JSON.
    """
    count, rivals = counting(url), rivals or {}
    with Client(url) as client, tempfile.TemporaryDirectory() as folder:
        contestants = {preset: _tuft(client, preset, count) for preset in presets}
        contestants |= {name: _rival(rival, Path(folder)) for name, rival in rivals.items()}
        processes = _processes(url, rivals)
        loaded = {name: of_name.peak_bytes() for name, of_name in processes.items()}

        def warm() -> None:
            for of_name in processes.values():
                of_name.forget_peaks()

        runs = measured(contestants, subjects, repetitions, warm)
        memory = {
            name: {"loading": loaded[name], "working": of_name.peak_bytes()} for name, of_name in processes.items()
        }
        crowds = [
            together(client, preset, subjects, callers, repetitions * callers, count)
            for callers in concurrency
            for preset in presets
            if callers > 1
        ]
        info = client.transport.server_info()
    return {
        "server": f"{info.name} {info.version}",
        "runs": runs,
        "summary": summary(runs),
        "together": crowds,
        "peak_bytes": memory,
    }


def _tuft(client: Client, preset: str, count: Callable[[], Counters]) -> Contestant:
    return lambda photograph: cut_out_alone(client, photograph.jpeg, preset, count)


def _rival(rival: Worker, folder: Path) -> Contestant:
    return lambda photograph: rival.ask(str(photograph.written_to(folder)))


def _processes(url: str, rivals: Mapping[str, Worker]) -> dict[str, Processes]:
    """Whose memory is looked at."""
    server = server_of(url)
    ours = {"client": this_process(), **({} if server is None else {"server": server})}
    return {**ours, **{name: rival.processes for name, rival in rivals.items()}}


def main() -> None:
    """Measures and prints Markdown tables; `--json` keeps the raw numbers."""
    options = _options()
    facts, subjects = machine_facts(), photographs(options.photos)
    models = {preset: _models(preset, subjects) for preset in options.presets}
    sizes = tuple(sorted({working_size(PRESETS[name], one.size_hw) for name in options.presets for one in subjects}))
    repository = repository_to_serve(options, sizes)
    with (
        serving(options.url, repository, sizes) as url,
        _rivals(options, repository, sizes) as rivals,
    ):
        data = {
            **facts,
            "weights": options.weights,
            "parameters": options.parameter,
            "models": models,
            "photographs": [one.to_dict() for one in subjects],
            **latency(
                url,
                options.presets,
                subjects,
                repetitions=options.repetitions,
                concurrency=options.concurrency,
                rivals=rivals,
            ),
        }
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def _models(preset: str, subjects: Sequence[Photograph]) -> list[str]:
    """Names of the models that a preset asks about the photographs."""
    return sorted({model_name(working_size(PRESETS[preset], one.size_hw)) for one in subjects})


@contextlib.contextmanager
def _rivals(options: argparse.Namespace, repository: Path, sizes: Sequence[int]) -> Iterator[dict[str, Worker]]:
    script = str(_HERE / "_contestants.py")
    with contextlib.ExitStack() as stack:
        found = {}
        if options.bare:
            for name in map(model_name, sizes):
                command = [sys.executable, script, "bare", str(repository / name / "1")]
                found[bare_name(name)] = stack.enter_context(Worker(bare_name(name), command))
        if options.against:
            command = [sys.executable, script, "reference", str(options.work / PUBLISHED)]
            found[options.against] = stack.enter_context(Worker(options.against, command))
        yield found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a caller waits, by stage.")
    add_arguments(parser)
    parser.add_argument("--presets", nargs="+", choices=tuple(PRESETS), default=list(PRESETS))
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1], help="callers; 1 is always measured")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--against", choices=(PEER,), help="needs --weights published")
    parser.add_argument("--bare", action="store_true", help="the network without Triton takes turns as well")
    options = parser.parse_args()
    require_consistent(parser, options)
    if options.against and options.weights != "published":
        parser.error(f"{PEER} cannot load the demo's weights: add --weights published.")
    checkpoint = options.work / PUBLISHED
    if options.against and (options.url or options.repository) and not checkpoint.is_file():
        parser.error(
            f"{checkpoint} is not there, with whose weights to compare: run benchmarks/_lib/published.py first."
        )
    if options.url and options.bare:
        parser.error("The network of a server elsewhere cannot be called without it: leave out --bare, or --url.")
    return options


if __name__ == "__main__":
    main()
