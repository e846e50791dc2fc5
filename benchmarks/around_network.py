"""How much do all stages except the network cost at 12 megapixels, against transparent-background's?

    python benchmarks/around_network.py [--megapixels N ...] [--no-peer] [--against CHECKOUT] [--photos DIR]
        [--repetitions N] [--json FILE]

tuft runs from JPEG bytes to PNG bytes with the preset `standard`. transparent-background 1.3.4 gets the decoded
photograph and runs only the stages after its network: its own `Remover.process(type="rgba")` and the save to PNG. Of
several sizes it gets the first alone. `--against` adds the client of another checkout, such as a worktree of an earlier
commit. All get the same saliency instead of running a network; they take turns, each in a process of its own, after a
warm-up round. Peak memory is the growth of the resident set of a fresh process (`VmHWM`). With `--photos` the colours
in the unknown band are compared as well, on scenes and composites whose foreground is known.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import tempfile
import time
import warnings
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.machine import machine, resident_bytes
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from _lib.subprocess_worker import Worker, answer_lines, module_command, subprocess_environment
from _lib.synthetic_photograph import synthetic_photograph
from PIL import Image

from tuft import Client, FakeTransport
from tuft.imaging.refine import estimate_foreground

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

with packages():
    from _lib.cases import composites, held_out_scenes

Milliseconds = dict[str, float]
TUFT: Final = "tuft"
PEER: Final = "transparent-background"
AGAINST: Final = "the other checkout's tuft"
CPU: Final = "CPU"  # no stage
_BEFORE: Final = ("decode", "resize")  # the stages before the network
_SCENES: Final = 24
_SCENE_HW: Final = (480, 640)


def main() -> None:
    """Measures and prints Markdown tables; `--json` keeps the raw numbers."""
    options = _parser().parse_args()
    warnings.simplefilter("ignore")  # from numba and from the peer's imports
    if options.peak_of:
        print(peak_mb(_contestant(str(options.peak_of[0]), *options.peak_of[1:])))
        return
    if options.answer:
        name, *files = options.answer
        answer_lines(lambda: _answering(_contestant(name, *map(Path, files))))
        return
    size, *larger = options.megapixels
    names = [TUFT, *([AGAINST] if options.against else [])]
    measure = partial(measurement, against=options.against, repetitions=options.repetitions)
    data: dict[str, Any] = {
        "machine": machine(),
        "load": os.getloadavg()[0],
        "megapixels": size,
        **measure(size, [TUFT, PEER, *names[1:]] if options.peer else names),
        "larger": {f"{one:g}": measure(one, names) for one in larger},
    }
    print(table(data))
    if options.photos:
        jpeg, saliency = synthetic_photograph(size)
        data["colours"] = colours(options.photos)
        data["colour ms"] = colour_times(jpeg, saliency)
        print(f"\n{colour_table(data['colours'])}")
        times = {name: f"{statistics.median(ms):.0f} ms" for name, ms in data["colour ms"].items()}
        print(f"\nColours of the large photograph alone: {times}")
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def measurement(megapixels: float, names: Sequence[str], against: Path | None, repetitions: int) -> dict[str, Any]:
    """The runs and the peak memory of some contestants with a photograph of this size."""
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "photo.jpg", Path(folder) / "saliency.npy"
        jpeg, saliency = synthetic_photograph(megapixels)
        files[0].write_bytes(jpeg)
        np.save(files[1], saliency)
        runs = measured(names, files, against, repetitions)
        return {"runs": runs, "peak_mb": {name: _peak_in_a_fresh_process(name, files, against) for name in names}}


def _contestant(name: str, photo: Path, saliency: Path) -> Callable[[], Milliseconds]:
    return (_peer if name == PEER else _tuft)(photo.read_bytes(), np.load(saliency))


def _answering(run: Callable[[], Milliseconds]) -> Callable[[str], Milliseconds]:
    """One run for each line; CPU time of all threads counts as a stage that is left out of sums."""

    def answer(_: str) -> Milliseconds:
        began_s = time.process_time()
        stages = run()
        return {**stages, CPU: (time.process_time() - began_s) * 1e3}

    return answer


def _tuft(jpeg: bytes, saliency: NDArray[np.float32]) -> Callable[[], Milliseconds]:
    client = Client(transport=FakeTransport(lambda _: saliency))

    def run() -> Milliseconds:
        cutout = client.remove(jpeg, preset="standard", size=saliency.shape[0])
        began_s = time.perf_counter()
        cutout.to_bytes("png")
        stages = {**cutout.milliseconds, "encode": (time.perf_counter() - began_s) * 1e3}
        return {stage: ms for stage, ms in stages.items() if stage != "network"}

    return run


def _peer(jpeg: bytes, saliency: NDArray[np.float32]) -> Callable[[], Milliseconds]:
    """transparent-background's own code with a network that returns the given saliency."""
    import torch
    from pymatting import estimate_foreground_ml
    from transparent_background import Remover

    remover = object.__new__(Remover)
    remover.device, remover.matting_fn = "cpu", estimate_foreground_ml
    remover.transform = lambda _: torch.zeros(3, 1, 1)
    remover.model = lambda _: torch.from_numpy(saliency)[None, None]
    photo = Image.open(io.BytesIO(jpeg)).convert("RGB")
    remover.process(photo.resize((64, 64)), type="rgba")  # numba compiles

    def run() -> Milliseconds:
        began_s = time.perf_counter()
        cutout = remover.process(photo, type="rgba")
        processed_s = time.perf_counter()
        cutout.save(io.BytesIO(), "PNG")
        return {"process": (processed_s - began_s) * 1e3, "save": (time.perf_counter() - processed_s) * 1e3}

    return run


def measured(
    names: Sequence[str], files: tuple[Path, Path], against: Path | None, repetitions: int
) -> dict[str, list[Milliseconds]]:
    """Times the contestants in turn; returns milliseconds by stage of every repetition."""
    runs: dict[str, list[Milliseconds]] = {name: [] for name in names}
    with contextlib.ExitStack() as stack:
        workers = {
            name: stack.enter_context(
                Worker(
                    name, module_command("around_network", "--answer", name, *map(str, files)), *_first(name, against)
                )
            )
            for name in names
        }
        for repetition in range(repetitions + 1):
            for name, worker in workers.items():
                milliseconds = worker.ask("run")
                if repetition:
                    runs[name].append(milliseconds)
    return runs


def _first(name: str, against: Path | None) -> list[Path]:
    """What the path of Python starts with for a contestant."""
    return [against.resolve() / "client"] if name == AGAINST and against is not None else []


def peak_mb(run: Callable[[], object]) -> float:
    """Growth of the resident set during `run`, in megabytes."""
    before_bytes = resident_bytes("VmRSS")
    run()
    return (resident_bytes("VmHWM") - before_bytes) / 1e6


def _peak_in_a_fresh_process(name: str, files: tuple[Path, Path], against: Path | None) -> float:
    command = module_command("around_network", "--peak-of", name, *map(str, files))
    environment = subprocess_environment(*_first(name, against))
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout.split()[-1])


def table(data: Mapping[str, Any]) -> str:
    """Formats medians by stage and in total, ratios to tuft's, and peak memory.

    "After" covers the stages after the network, the only ones that are measured for the peer.
    """
    runs, peaks = data["runs"], data["peak_mb"]
    header = ["", "stages, ms", "CPU, ms", "all, ms", "times tuft's", "after, ms", "times tuft's", "peak, MB"]
    rows = [header, ["---"] * 2 + ["---:"] * 6]
    for name, of_name in runs.items():
        medians = {stage: statistics.median(run[stage] for run in of_name) for stage in of_name[0]}
        stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in medians.items() if stage != CPU)
        row = [name, stages, f"{medians[CPU]:.0f}"]
        for left_out in ((), _BEFORE):
            median, of_tuft = (_median_of_sums(runs[one], left_out) for one in (name, TUFT))
            row += [f"{median:.0f}", f"{median / of_tuft:.1f}"]
        rows.append([*row, f"{peaks[name]:.0f}"])
    page = f"{data['machine']}, load {data['load']:.1f}; {data['megapixels']:g} megapixels\n\n{markdown_table(rows)}"
    return f"{page}\n\n{_size_table(data)}" if data.get("larger") else page


def _size_table(data: Mapping[str, Any]) -> str:
    """Formats how time and memory grow with the photograph."""
    rows = [["megapixels", "", "all, ms", "ms a megapixel", "CPU, ms", "peak, MB"], ["---:", "---", *["---:"] * 4]]
    for megapixels, of_size in {f"{data['megapixels']:g}": data, **data["larger"]}.items():
        for name, runs in of_size["runs"].items():
            if name != PEER:
                ms, cpu_ms = _median_of_sums(runs, ()), statistics.median(run[CPU] for run in runs)
                rate = f"{ms / float(megapixels):.1f}"
                rows.append([megapixels, name, f"{ms:.0f}", rate, f"{cpu_ms:.0f}", f"{of_size['peak_mb'][name]:.0f}"])
    return markdown_table(rows)


def _median_of_sums(runs: Sequence[Milliseconds], left_out: Sequence[str]) -> float:
    return statistics.median(sum(ms for stage, ms in run.items() if stage not in (*left_out, CPU)) for run in runs)


def _colour_contestants() -> dict[str, Callable[..., NDArray[Any]]]:
    from pymatting import estimate_foreground_ml

    def peer(rgb: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.float64]:
        estimated: NDArray[np.float64] = 255 * np.clip(estimate_foreground_ml(rgb / 255.0, alpha), 0, 1)
        return estimated

    return {TUFT: estimate_foreground, "pymatting": peer}


def colour_times(jpeg: bytes, saliency: NDArray[np.float32]) -> dict[str, list[float]]:
    """Times the colour estimation alone on the large photograph, contestants in turn, in milliseconds."""
    client = Client(transport=FakeTransport(lambda _: saliency))
    cutout = client.remove(jpeg, preset="standard", size=saliency.shape[0])
    alpha = cutout.alpha.astype(np.float32) / 255
    runs: dict[str, list[float]] = defaultdict(list)
    for _ in range(4):
        for name, estimate in _colour_contestants().items():
            began_s = time.perf_counter()
            estimate(cutout.photo, alpha)
            runs[name].append((time.perf_counter() - began_s) * 1e3)
    return {name: ms[1:] for name, ms in runs.items()}


def colours(photos: Path) -> dict[str, dict[str, list[float]]]:
    """Measures |F − F*| and a·|F − F*| in the band (0..255) and milliseconds, for every scene and composite."""
    contestants = _colour_contestants()
    sets = {"scenes": held_out_scenes(_SCENES, _SCENE_HW), "composites": composites(photos / "composites")}
    found: dict[str, dict[str, list[float]]] = {kind: defaultdict(list) for kind in sets}
    for kind, cases in sets.items():
        for case in cases:
            band = (case.alpha > 0.02) & (case.alpha < 0.98)
            for name, estimate in contestants.items():
                estimate(case.photo, case.alpha)
                began_s = time.perf_counter()
                estimated = estimate(case.photo, case.alpha)
                found[kind][f"{name} ms"].append((time.perf_counter() - began_s) * 1e3)
                difference = np.abs(estimated.astype(np.float32) - case.foreground)[band]
                found[kind][f"{name} error"].append(float(difference.mean()))
                found[kind][f"{name} visible"].append(float((case.alpha[band][:, None] * difference).mean()))
    return found


def colour_table(found: dict[str, dict[str, list[float]]]) -> str:
    """Formats mean errors, and the ratio of total times."""
    rows = [["colour error in the band", "tuft", "pymatting", "times faster"], ["---"] + ["---:"] * 3]
    for kind, result in found.items():
        faster = f"{sum(result['pymatting ms']) / sum(result['tuft ms']):.1f}"
        for measure in ("error", "visible"):
            errors = [f"{statistics.mean(result[f'{name} {measure}']):.2f}" for name in (TUFT, "pymatting")]
            rows.append([f"{kind}, {measure}", *errors, faster])
    return markdown_table(rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Everything but the network, in milliseconds and megabytes.")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[12.0], metavar="N")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help=f"measure {PEER} as well")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="measure the client of another checkout, too")
    parser.add_argument("--photos", type=Path, help="test photographs with a folder `composites`: compare colours")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    parser.add_argument("--peak-of", nargs=3, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--answer", nargs=3, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    main()
