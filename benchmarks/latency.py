"""How long does a caller wait, from JPEG bytes to PNG bytes, and which stages take the time?

    python benchmarks/latency.py [--weights demo|published] [--presets ...] [--photos DIR] [--json FILE]
    python benchmarks/latency.py --weights published --presets standard --against transparent-background --bare
    python benchmarks/latency.py --url HOST:PORT --concurrency 1 4 8

With one caller, all contestants take turns, photograph by photograph, so that a slow minute of the machine affects all
of them; the first round is a warm-up. With a `--concurrency` above 1, that many callers ask in a closed loop, each
again as soon as it has its answer. Their latency is that of a full queue, not of a given load; for that see
`throughput.py`.

`--against transparent-background` adds its `Remover.process(type="rgba")` and a save as PNG as a baseline, on the same
weights and photographs, in a process of its own. `--bare` adds the served network without Triton: the difference to
tuft's time, decoding, refinement and encoding aside, is the overhead of client and server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _latency.latency_table import bare_name, table
from _lib import needs  # noqa: F401 (first: names what is missing)
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
from _lib.subprocess_worker import Worker, module_command

from tuft import PRESETS, Client
from tuft.contract import model_name
from tuft.presets import working_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from _lib.counters import Counters

    Contestant = Callable[[Photograph], Milliseconds]

PEER: Final = "transparent-background"
PUBLISHED: Final = "published.pth"  # written by `_lib.published`, which needs torch
BASELINES: Final = "_latency.baselines"


def measured(
    contestants: Mapping[str, Contestant],
    subjects: Sequence[Photograph],
    repetitions: int,
    warm: Callable[[], None],
) -> dict[str, list[Milliseconds]]:
    """Times every contestant in turn, and returns milliseconds by stage: photographs in order, round by round.

    Args:
        contestants: By name.
        subjects: Photographs for each contestant.
        repetitions: Rounds that count.
        warm: Called after the warm-up round.
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
    """Percentiles by contestant and stage; `all` stands for the whole time."""
    return {
        name: {
            **{stage: percentiles([run[stage] for run in of_name]) for stage in of_name[0]},
            "all": percentiles([sum(run.values()) for run in of_name]),
        }
        for name, of_name in runs.items()
    }


def measure_concurrent(
    client: Client,
    preset: str,
    subjects: Sequence[Photograph],
    concurrency: int,
    requests: int,
    count: Callable[[], Counters],
) -> dict[str, Any]:
    """Measures `concurrency` callers in a closed loop: their latencies, and the server's means over the same time."""

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
    baselines: Mapping[str, Worker] | None = None,
) -> dict[str, Any]:
    """Measures a running server; `baselines`, by name, take turns with tuft and receive paths of photographs.

    Returns:
        `server`, `runs`, `summary`, `together` and `peak_bytes`, as they go into JSON.
    """
    count, baselines = counting(url), baselines or {}
    with Client(url) as client, tempfile.TemporaryDirectory() as folder:
        contestants = {preset: _tuft(client, preset, count) for preset in presets}
        contestants |= {name: _baseline(worker, Path(folder)) for name, worker in baselines.items()}
        processes = _processes(url, baselines)
        loaded = {name: of_name.peak_bytes() for name, of_name in processes.items()}

        def warm() -> None:
            for of_name in processes.values():
                of_name.reset_peak_memory()

        runs = measured(contestants, subjects, repetitions, warm)
        memory = {
            name: {"loading": loaded[name], "working": of_name.peak_bytes()} for name, of_name in processes.items()
        }
        loads = [
            measure_concurrent(client, preset, subjects, callers, repetitions * callers, count)
            for callers in concurrency
            for preset in presets
            if callers > 1
        ]
        info = client.transport.server_info()
    return {
        "server": f"{info.name} {info.version}",
        "runs": runs,
        "summary": summary(runs),
        "together": loads,
        "peak_bytes": memory,
    }


def _tuft(client: Client, preset: str, count: Callable[[], Counters]) -> Contestant:
    return lambda photograph: cut_out_alone(client, photograph.jpeg, preset, count)


def _baseline(worker: Worker, folder: Path) -> Contestant:
    return lambda photograph: worker.ask(str(photograph.written_to(folder)))


def _processes(url: str, baselines: Mapping[str, Worker]) -> dict[str, Processes]:
    """The processes whose memory is measured, by name."""
    server = server_of(url)
    ours = {"client": this_process(), **({} if server is None else {"server": server})}
    return {**ours, **{name: worker.processes for name, worker in baselines.items()}}


def main() -> None:
    """Measures and prints Markdown tables; `--json` keeps the raw numbers."""
    options = _options()
    facts, subjects = machine_facts(), photographs(options.photos)
    models = {preset: _models(preset, subjects) for preset in options.presets}
    sizes = tuple(sorted({working_size(PRESETS[name], one.size_hw) for name in options.presets for one in subjects}))
    repository = repository_to_serve(options, sizes)
    with (
        serving(options.url, repository, sizes) as url,
        _baselines(options, repository, sizes) as baselines,
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
                baselines=baselines,
            ),
        }
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def _models(preset: str, subjects: Sequence[Photograph]) -> list[str]:
    """Names of the models that a preset uses for the photographs."""
    return sorted({model_name(working_size(PRESETS[preset], one.size_hw)) for one in subjects})


@contextlib.contextmanager
def _baselines(options: argparse.Namespace, repository: Path, sizes: Sequence[int]) -> Iterator[dict[str, Worker]]:
    with contextlib.ExitStack() as stack:
        found = {}
        if options.bare:
            for name in map(model_name, sizes):
                command = module_command(BASELINES, "bare", str(repository / name / "1"))
                found[bare_name(name)] = stack.enter_context(Worker(bare_name(name), command))
        if options.against:
            command = module_command(BASELINES, "reference", str(options.work / PUBLISHED))
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
        parser.error(f"{checkpoint} is not there, with whose weights to compare: run benchmarks/publish.py first.")
    if options.url and options.bare:
        parser.error("The network of a server elsewhere cannot be called without it: leave out --bare, or --url.")
    return options


if __name__ == "__main__":
    main()
