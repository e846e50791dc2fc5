"""Where the time of one photograph goes: milliseconds by stage and preset, seen by a caller.

    python benchmarks/stages.py [--photo FILE] [--repetitions N] [--json FILE]

Starts the published model repository unless `--url` names a running server. Presets take turns, so that a slow
minute of the machine falls on all of them; medians over the repetitions after one round that does not count.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _table import markdown

from tuft import PRESETS, Client
from tuft.serve import ServeOptions, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Milliseconds = dict[str, float]


def main() -> None:
    """Measures and prints a Markdown table; `--json` keeps the raw numbers."""
    options = _parser().parse_args()
    source = options.photo.read_bytes() if options.photo else _sample()
    with serving(options.url, options.repository) as url, Client(url) as client:
        runs = measure(client, source, tuple(PRESETS), options.repetitions)
    medians = {preset: _medians(of_preset) for preset, of_preset in runs.items()}
    print(f"{machine()}\n\n{table(medians)}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "runs": runs, "medians": medians}, indent=2) + "\n")


def measure(client: Client, source: bytes, presets: Sequence[str], repetitions: int) -> dict[str, list[Milliseconds]]:
    """Milliseconds by stage of every repetition of every preset, from JPEG bytes to PNG bytes."""
    runs: dict[str, list[Milliseconds]] = defaultdict(list)
    for repetition in range(repetitions + 1):
        for preset in presets:
            cutout = client.remove(source, preset=preset)
            began_s = time.perf_counter()
            cutout.to_bytes("png")
            encode_ms = (time.perf_counter() - began_s) * 1e3
            if repetition:
                runs[preset].append({**cutout.milliseconds, "encode": encode_ms})
    return dict(runs)


def table(medians: dict[str, Milliseconds]) -> str:
    """A Markdown table with one row a preset."""
    stages = list(next(iter(medians.values())))
    rows = [["preset", *stages, "all"], ["---"] + ["---:"] * (len(stages) + 1)]
    rows += [
        [f"`{preset}`", *(f"{of_preset[stage]:.0f}" for stage in stages), f"{sum(of_preset.values()):.0f}"]
        for preset, of_preset in medians.items()
    ]
    return markdown(rows)


def machine() -> str:
    """The machine in one line: processor, cores that may be used, system, Python."""
    cpu_info = Path("/proc/cpuinfo")
    names = [line for line in cpu_info.read_text().splitlines() if line.startswith("model name")]
    processor = names[0].split(":", 1)[1].strip() if names else platform.processor()
    cores = len(os.sched_getaffinity(0))
    return f"{processor}, {cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def _medians(runs: list[Milliseconds]) -> Milliseconds:
    return {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}


@contextlib.contextmanager
def serving(url: str | None, repository: Path) -> Iterator[str]:
    if url:
        yield url
        return
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as addresses:
        yield addresses.grpc


def _sample() -> bytes:
    """A 12-megapixel JPEG, enlarged from scikit-image's photograph of an astronaut."""
    import io

    import skimage.data
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).resize((3464, 3464), Image.Resampling.LANCZOS).save(
        file, "JPEG", quality=92
    )
    return file.getvalue()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Milliseconds by stage and preset.")
    arguments: list[tuple[str, dict[str, Any]]] = [
        ("--photo", {"type": Path, "help": "a photograph (default: 12 megapixels made from a sample)"}),
        ("--url", {"help": "gRPC address of a running server (default: start one)"}),
        ("--repository", {"type": Path, "default": Path("model_repository")}),
        ("--repetitions", {"type": int, "default": 5}),
        ("--json", {"type": Path, "help": "where the raw numbers go"}),
    ]
    for name, settings in arguments:
        parser.add_argument(name, **settings)
    return parser


if __name__ == "__main__":
    main()
