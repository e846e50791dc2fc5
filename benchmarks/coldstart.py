"""How long does a cold start take, from nothing to the first cut-out, and where does the time go?

    python benchmarks/coldstart.py [--weights demo|published] [--repository DIR] [--sizes PX ...] [--preset NAME]
                                   [--megapixels MP] [--starts N] [--parameter NAME=VALUE ...]
                                   [--against transparent-background] [--work DIR] [--json FILE] [--only local]

It measures five things:

- importing tuft (`python -X importtime`);
- the process of one model until it answers: without a cache of compiled graphs, with an empty one and a filled one;
- `tuft serve` until the first cut-out, photograph to PNG, of a client that is already running and asks as soon as the
  server is ready;
- the processes `tuft remove --url local`, at the very first use and later, and one that computes the same graph in
  rembg's way, in turn;
- with `--against`, the start of transparent-background.

`--only local` measures nothing else, and replaces only that in the file of `--json`.

The first start of a server finds tuft's cache empty, later starts find it filled. The operating system's file cache is
warm.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _coldstart.startup_log import server_start
from _lib import needs  # noqa: F401 (first: names what is missing)
from _lib.machine import machine_facts
from _lib.markdown_table import markdown_table
from _lib.published import WEIGHTS, checkpoint_of, parameters_from_text, repository_from_checkpoint
from _lib.serving import DEFAULT_WORK
from _lib.subprocess_worker import module_command, run_subprocess, subprocess_environment
from _lib.synthetic_photograph import synthetic_photograph

from tuft import PRESETS, Client, contract
from tuft.serve import ServeOptions
from tuft.serve.command import free_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FIRST_USE: Final = "`tuft remove`, the very first"
LATER_USE: Final = "`tuft remove`, later"
REMBGS_WAY: Final = "rembg's way, the same graph"
PEER: Final = "transparent-background"
WORKER: Final = "_coldstart.coldstart_worker"
_POLL_S: Final = 0.01
_TIMEOUT_S: Final = 600.0
_TOP_IMPORTS: Final = 6
_IMPORT: Final = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|(\s+)(\S+)")


def main() -> None:
    """Measures and prints Markdown tables; `--json` keeps the raw numbers."""
    options = _parser().parse_args()
    facts = machine_facts()
    options.work.mkdir(parents=True, exist_ok=True)
    jpeg = options.work / f"coldstart_{options.megapixels:g}_megapixels.jpg"
    jpeg.write_bytes(synthetic_photograph(options.megapixels)[0])
    local = {**facts, "starts": local_starts(options.preset, jpeg, options.starts, options.work)}
    if options.only:
        kept = json.loads(options.json.read_text()) if options.json and options.json.is_file() else {}
        print(_local_table(local))
        if options.json:
            options.json.write_text(json.dumps({**kept, "local": local}, indent=1) + "\n")
        return
    repository = options.repository or _repository(options)
    data = {
        **facts,
        "weights": options.repository.name if options.repository else options.weights,
        **{name: getattr(options, name) for name in ("preset", "megapixels", "sizes", "parameter")},
        "imports": imports(options.starts),
        "model": model_starts(repository, options.preset, options.precision, options.starts),
        "serve": serve_starts(repository, options.sizes, options.preset, jpeg, options.starts),
        "local": local,
    }
    if options.against:
        checkpoint = checkpoint_of("published", options.work).path
        run = {"checkpoint": str(checkpoint), "jpeg": str(jpeg)}
        data["peer"] = [run_subprocess(WORKER, PEER, run) for _ in range(options.starts)]
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def imports(repetitions: int) -> dict[str, Any]:
    """Seconds to start Python, to import tuft and to make a client, and the packages that take longest to import."""
    programs = ("pass", "import tuft", "import tuft; tuft.Client()")
    empty, whole, client = ([_process_s(program) for _ in range(repetitions + 1)][1:] for program in programs)
    command = [sys.executable, "-X", "importtime", "-c", "import tuft"]
    report = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr
    return {"python_s": empty, "tuft_s": whole, "client_s": client, "packages_s": packages_s(report)}


def packages_s(report: str) -> dict[str, float]:
    """Seconds of each top-level package, without what it imports from others, from a report of `-X importtime`."""
    seconds: dict[str, float] = {}
    for own_us, _, _, module in _IMPORT.findall(report):
        package = module.partition(".")[0]
        seconds[package] = seconds.get(package, 0.0) + int(own_us) / 1e6
    longest = sorted(seconds, key=seconds.__getitem__, reverse=True)[:_TOP_IMPORTS]
    return {package: seconds[package] for package in longest}


def model_starts(repository: Path, preset: str, precision: str, repetitions: int) -> dict[str, list[dict[str, Any]]]:
    """Phases of the start of the preset's model, for each state of the cache."""
    graph = repository / contract.model_name(_size(preset)) / "1" / "model.onnx"
    run = {"graph": str(graph), "precision": precision}
    starts: dict[str, list[dict[str, Any]]] = {"no cache": [], "empty cache": [], "filled cache": []}
    for _ in range(repetitions):
        with tempfile.TemporaryDirectory() as cache:
            for state, folder in zip(starts, ("", cache, cache), strict=True):
                starts[state].append(run_subprocess(WORKER, "openvino", {**run, "cache": folder}))
    return starts


def local_starts(preset: str, jpeg: Path, count: int, work: Path) -> dict[str, list[dict[str, float]]]:
    """Whole processes, in turn, in seconds: wall-clock (`s`) and of all cores (`cpu_s`)."""
    remove = [sys.executable, "-m", "tuft", "remove", str(jpeg), "--url", "local", "--preset", preset]
    starts: dict[str, list[dict[str, float]]] = {FIRST_USE: [], LATER_USE: [], REMBGS_WAY: []}
    for _ in range(count):
        with tempfile.TemporaryDirectory(dir=work) as folder:
            own = {"TUFT_DATA": f"{folder}/data", "TUFT_CACHE": f"{folder}/cache"}
            png = f"{folder}/out.png"
            for kind in (FIRST_USE, LATER_USE):
                starts[kind].append(_whole_process([*remove, "-o", png], own))
            (graph,) = Path(folder).glob(f"data/*/{contract.model_name(_size(preset))}/1/model.onnx")
            way = module_command("_coldstart.rembgs_way", str(graph), str(jpeg), png)
            starts[REMBGS_WAY].append(_whole_process(way, {"ORT_DISABLE_TELEMETRY": "1"}))
    return starts


def _whole_process(command: Sequence[str], variables: Mapping[str, str]) -> dict[str, float]:
    before, began_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = {**subprocess_environment(), **variables}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    took_s, after = time.perf_counter() - began_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"s": took_s, "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def serve_starts(
    repository: Path, sizes: Sequence[int] | None, preset: str, jpeg: Path, count: int
) -> list[dict[str, Any]]:
    """Starts `tuft serve` repeatedly, with one cache that is empty at the first start."""
    with tempfile.TemporaryDirectory(prefix="tuft-coldstart-") as folder:
        return [_serve_start(repository, sizes, preset, jpeg, Path(folder)) for _ in range(count)]


def _serve_start(
    repository: Path, sizes: Sequence[int] | None, preset: str, jpeg: Path, folder: Path
) -> dict[str, Any]:
    """Measures one start, in seconds since `tuft serve` was called."""
    content, log, model = jpeg.read_bytes(), folder / "server.log", contract.model_name(_size(preset))
    free = free_addresses(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0))
    command = [sys.executable, "-m", "tuft", "serve", "--repository", str(repository), "--verbose", "--log", str(log)]
    command += ["--http-port", str(free.http_port), "--grpc-port", str(free.grpc_port)]
    command += ["--metrics-port", str(free.metrics_port)]
    command += ["--sizes", *map(str, sizes)] if sizes else []
    began_s, began = time.time(), time.perf_counter()
    environment = {**os.environ, "TUFT_CACHE": str(folder / "cache")}
    with _ended(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)) as server:
        _wait_until_ready(server, free.http_port, model)
        ready_s = time.perf_counter() - began
        with Client(free.grpc, preset=preset, timeout_s=_TIMEOUT_S) as client:
            cut_outs = [_cut_out(client, content) for _ in range(2)]
    server_s = asdict(server_start(log.read_text(errors="replace").splitlines(), began_s))
    return {**server_s, "ready_s": ready_s, "first_cut_out_s": ready_s + cut_outs[0]["s"], "cut_outs": cut_outs}


def _cut_out(client: Client, content: bytes) -> dict[str, Any]:
    began_s = time.perf_counter()
    cutout = client.remove(content)
    encoded_s = time.perf_counter()
    cutout.to_bytes("png")
    ended_s = time.perf_counter()
    return {"s": ended_s - began_s, "milliseconds": {**cutout.milliseconds, "encode": (ended_s - encoded_s) * 1e3}}


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_TIMEOUT_S)


def _wait_until_ready(server: subprocess.Popen[bytes], http_port: int, model: str) -> None:
    deadline_s = time.monotonic() + _TIMEOUT_S
    while not _is_ready(http_port, model):
        if server.poll() is not None or time.monotonic() > deadline_s:
            raise SystemExit(f"tuft serve has not served {model}: see above, or publish it with `tuft-export publish`.")
        time.sleep(_POLL_S)


def _is_ready(http_port: int, model: str) -> bool:
    connection = http.client.HTTPConnection("localhost", http_port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"/v2/models/{model}/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _process_s(code: str) -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began_s


def table(data: Mapping[str, Any]) -> str:
    """Formats the measurements as Markdown: medians, with the first start of the server in a column of its own."""
    served = ", ".join([f"weights {data['weights']}", *data["parameter"]])
    photo = f"a photograph of {data['megapixels']:g} megapixels, preset `{data['preset']}`"
    where = f"{data['machine']}, load before {data['load']}; {served}; {photo}."
    parts = [
        where,
        _imports_table(data["imports"]),
        _phases_table(data["model"], "a model's process"),
        _serve_table(data),
    ]
    if "local" in data:
        parts.append(_local_table(data["local"]))
    if "peer" in data:
        parts.append(_phases_table({PEER: data["peer"]}, "the peer"))
    return "\n\n".join(parts)


def _imports_table(data: Mapping[str, Any]) -> str:
    rows = [["a client's process", "s"], ["---", "---:"]]
    rows += [["`python -c pass`", _s(statistics.median(data["python_s"]))]]
    rows += [['`python -c "import tuft"`', _s(statistics.median(data["tuft_s"]))]]
    rows += [[f"- of it `{name}`", _s(seconds)] for name, seconds in data["packages_s"].items()]
    return markdown_table([*rows, ["the same, and `tuft.Client()`", _s(statistics.median(data["client_s"]))]])


def _phases_table(starts: Mapping[str, Sequence[Mapping[str, Any]]], heading: str) -> str:
    """One row per phase: wall-clock seconds, with CPU seconds in parentheses."""
    names = list(next(iter(starts.values()))[0])
    rows = [[heading, *starts], ["---"] + ["---:"] * len(starts)]

    def cell(runs: Sequence[Mapping[str, Any]], name: str) -> str:
        wall, processor = (statistics.median(run[name][clock] for run in runs) for clock in ("s", "cpu_s"))
        return f"{_s(wall)} s ({_s(processor)})"

    return markdown_table(rows + [[name, *(cell(runs, name) for runs in starts.values())] for name in names])


def _serve_table(data: Mapping[str, Any]) -> str:
    """One row per event, in seconds since the call of `tuft serve`; then the first two cut-outs by stage."""
    first, *others = data["serve"]
    columns = {"first start": [first], **({"later starts": others} if others else {})}
    moments = {name: [_moments(start) for start in starts] for name, starts in columns.items()}
    rows = [["seconds since `tuft serve`", *moments], ["---"] + ["---:"] * len(moments)]
    for moment in moments["first start"][0]:
        rows.append([moment, *(_s(statistics.median(of[moment] for of in starts)) for starts in moments.values())])
    stages = list(first["cut_outs"][0]["milliseconds"])
    head = [["cut-out, ms", *stages, "all"], ["---"] + ["---:"] * (len(stages) + 1)]
    cut_outs = [_cut_out_row(name, data["serve"], i) for i, name in enumerate(("first", "second"))]
    return f"{markdown_table(rows)}\n\n{markdown_table(head + cut_outs)}"


def _local_table(local: Mapping[str, Any]) -> str:
    """One row per kind of process: medians, and their ratio to rembg's way in the same run."""
    rows = [["from the shell to the PNG, without a server", "s", "CPU s", "times rembg's way"], ["---"] + ["---:"] * 3]
    medians = {
        name: [statistics.median(start[clock] for start in starts) for clock in ("s", "cpu_s")]
        for name, starts in local["starts"].items()
    }
    for name, (wall, processor) in medians.items():
        rows.append([name, _s(wall), _s(processor), _s(wall / medians[REMBGS_WAY][0])])
    return f"{local['machine']}, load before {local['load']}.\n\n{markdown_table(rows)}"


def _moments(start: Mapping[str, Any]) -> dict[str, float]:
    """The events of one start, in order of time."""
    moments = {"tritonserver runs": start["first_line_s"]}
    for name, model in start["models"].items():
        moments[f"{name} compiled"], moments[f"{name} loaded"] = model["compiled_s"], model["loaded_s"]
    moments |= {"listening": start["listening_s"], "ready to a caller": start["ready_s"]}
    in_time = dict(sorted(moments.items(), key=lambda item: item[1]))
    return {**in_time, "first cut-out": start["first_cut_out_s"]}


def _cut_out_row(name: str, starts: Sequence[Mapping[str, Any]], index: int) -> list[str]:
    runs = [start["cut_outs"][index] for start in starts]
    stages = [statistics.median(run["milliseconds"][stage] for run in runs) for stage in runs[0]["milliseconds"]]
    return [name, *(f"{ms:.0f}" for ms in stages), f"{statistics.median(run['s'] for run in runs) * 1e3:.0f}"]


def _s(seconds: float) -> str:
    return f"{seconds:.2f}"


def _size(preset: str) -> int:
    return PRESETS[preset].size or min(contract.SIZES)


def _repository(options: argparse.Namespace) -> Path:
    sizes = tuple(options.sizes or contract.SIZES)
    checkpoint = checkpoint_of(options.weights, options.work)
    return repository_from_checkpoint(checkpoint, options.work, sizes, **parameters_from_text(options.parameter))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="From nothing to the first cut-out.")
    fixed = [name for name, preset in PRESETS.items() if preset.size]
    arguments: list[tuple[str, dict[str, Any]]] = [
        ("--weights", {"choices": WEIGHTS, "default": "demo"}),
        ("--repository", {"type": Path, "help": "a published one (default: one is published in --work)"}),
        ("--sizes", {"type": int, "nargs": "+", "choices": contract.SIZES, "help": "served (default: all)"}),
        ("--preset", {"choices": fixed, "default": "standard", "help": "of the first cut-out (default: standard)"}),
        ("--megapixels", {"type": float, "default": 12, "help": "of the photograph (default: 12)"}),
        ("--starts", {"type": int, "default": 4, "help": "of everything (default: 4)"}),
        ("--precision", {"choices": ["f32", "bf16"], "default": "f32", "help": "of the model's process alone"}),
        ("--parameter", {"action": "append", "default": [], "help": "of configs/python.pbtxt, as NAME=VALUE"}),
        ("--against", {"choices": [PEER]}),
        ("--only", {"choices": ["local"], "help": "measure only this"}),
        ("--work", {"type": Path, "default": DEFAULT_WORK, "help": "keeps what was exported"}),
        ("--json", {"type": Path, "help": "where the raw numbers go"}),
    ]
    for name, settings in arguments:
        parser.add_argument(name, **settings)
    return parser


if __name__ == "__main__":
    main()
