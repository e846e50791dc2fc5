"""How do tuft and its peers compare on the same photographs with the same graph: time, memory and quality?

    python benchmarks/peers.py [--photos DIR] [--scenes N] [--rembg FOLDER] [--json FILE]

All run the demo's graph at 1024 in ONNX Runtime on the CPU, from JPEG bytes to PNG bytes, each in a process of its own,
and take turns photograph by photograph after a warm-up round:

- tuft with its preset `standard`, and the same with edges by the matting stage;
- rembg with the graph as a custom model, plain and with its alpha matting (`-a`); it is installed from PyPI into a
  virtual environment of its own, in FOLDER or in one that is thrown away;
- transparent-background's own `Remover.process` and a save, its network replaced by the graph.

`python benchmarks/tables.py` makes the table and the plot, docs/images/peers.svg, of the JSON.

The photographs are scenes that no checkpoint was trained on, and with `--photos` the composites of that folder. Alpha
and colours of all are known exactly.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from _lib.machine import machine, resident_bytes
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from _lib.rembgs_environment import with_rembg
from _lib.subprocess_worker import Worker, module_command
from _peers.plot import bars
from _peers.rembgs_graph import rembgs_graph
from PIL import Image

from tuft import contract

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from _lib.cases import Case

with packages():
    from _lib.cases import composites, held_out_scenes
    from _lib.matte_figures import matte_figures
    from _lib.published import repository_from_checkpoint

    from tuft_export.checkpoints import checkpoint_from_name

SIZE_PX: Final = 1024
TUFT: Final = "tuft"
STAGE: Final = "tuft, matting stage"
REFERENCE: Final = "transparent-background"
REMBG: Final = {"rembg": "plain", "rembg -a": "matting"}
_SCENE_HW: Final = (1536, 2048)
_QUALITY: Final = 95
_FIGURES: Final = ("gradient band", "sad band", "colours")


def main() -> None:
    """Measures and prints a Markdown table; `--json` keeps the raw numbers."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="tuft-peers-") as folder:
        work = Path(folder)
        repository = repository_from_checkpoint(checkpoint_from_name("demo"), work / "models", (SIZE_PX,))
        graph = repository / contract.model_name(SIZE_PX) / "1" / "model.onnx"
        cases = [*held_out_scenes(options.scenes, _SCENE_HW), *(composites(options.photos) if options.photos else ())]
        commands = _commands(graph, work, options.rembg or work / "rembg")
        data = {"machine": machine(), "load": os.getloadavg()[0], **measured(commands, cases, options.rounds, work)}
    print(table(data))
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")


def _commands(graph: Path, work: Path, environment: Path) -> dict[str, list[str]]:
    """The command of each contestant's process."""
    python, custom = with_rembg(environment), rembgs_graph(graph, work / "custom.onnx")
    worker = Path(__file__).parent / "_peers" / "rembg_worker.py"
    return {
        **{name: module_command("_peers.contestants", name, str(graph)) for name in (TUFT, STAGE)},
        **{name: [str(python), str(worker), str(custom), kind] for name, kind in REMBG.items()},
        REFERENCE: module_command("_peers.contestants", REFERENCE, str(graph)),
    }


def measured(commands: Mapping[str, Sequence[str]], cases: Sequence[Case], rounds: int, work: Path) -> dict[str, Any]:
    """Runs all contestants on all cases in turn.

    Returns:
        `rows`, one for each photograph and contestant: milliseconds of each round, bytes of the PNG and the figures of
        alpha and colours; and `peak_mb` by contestant, of its whole process.
    """
    rows: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name, command)) for name, command in commands.items()}
        for index, case in enumerate(cases):
            jpeg, png = work / f"{index}.jpg", work / "out.png"
            jpeg.write_bytes(_jpeg(case))
            found: dict[str, dict[str, Any]] = {
                name: {"photo": case.name, "contestant": name, "ms": []} for name in workers
            }
            for attempt in range(rounds + 1):
                for name, worker in workers.items():
                    answer = worker.ask(json.dumps({"jpeg": str(jpeg), "png": str(png)}))
                    if attempt:
                        found[name]["ms"].append(answer["ms"])
                    else:
                        found[name].update(_figures(case, png), bytes=png.stat().st_size)
            rows += found.values()
        peaks = {name: resident_bytes("VmHWM", worker.processes.pid) / 1e6 for name, worker in workers.items()}
    return {"rows": rows, "peak_mb": peaks, "photographs": len(cases), "hw": _SCENE_HW}


def _jpeg(case: Case) -> bytes:
    file = io.BytesIO()
    Image.fromarray(case.photo).save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()


def _figures(case: Case, png: Path) -> dict[str, float]:
    """Errors of alpha, and of the visible colours in the band: the mean of |a·F − a*·F*|, 0..255."""
    with Image.open(png) as image:
        rgba = np.asarray(image.convert("RGBA")).astype(np.float32)
    alpha = rgba[..., 3] / 255
    band = (case.alpha > 0.02) & (case.alpha < 0.98)
    difference = np.abs(alpha[..., None] * rgba[..., :3] - case.alpha[..., None] * case.foreground)
    return {**matte_figures(case, alpha), "colours": float(difference[band].mean())}


def table(data: Mapping[str, Any]) -> str:
    """Formats medians of time and means of errors, each also as a ratio to tuft's."""
    header = ["", "ms a photograph", "times tuft's", "peak, MB", "PNG, kB", "gradient error", "SAD", "colours' error"]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    own = dict(_summary(data, TUFT))
    for name in data["peak_mb"]:
        of = dict(_summary(data, name))
        ratios = [f"{of[figure] / own[figure]:.2f}" for figure in _FIGURES]
        costs = (f"{of['ms']:.0f}", f"{of['ms'] / own['ms']:.2f}", f"{data['peak_mb'][name]:.0f}")
        lines.append([name, *costs, f"{of['bytes'] / 1e3:.0f}", *ratios])
    where = f"{data['machine']}, load before {data['load']:.1f}; {data['photographs']} photographs"
    return f"{where}; errors in the band, as ratios to tuft's.\n\n{markdown_table(lines)}"


def plot(data: Mapping[str, Any]) -> str:
    """An SVG of time, memory and the two errors in the band that depend on edges and colours."""
    of = {name: dict(_summary(data, name)) for name in data["peak_mb"]}
    errors = {"gradient error, ratio": _FIGURES[0], "colours' error, ratio": _FIGURES[2]}
    panels = {
        "seconds a photograph": {name: (one["ms"] / 1e3, f"{one['ms'] / 1e3:.1f} s") for name, one in of.items()},
        "peak memory": {name: (mb, f"{mb / 1e3:.1f} GB") for name, mb in data["peak_mb"].items()},
    }
    for title, figure in errors.items():
        ratios = {name: one[figure] / of[TUFT][figure] for name, one in of.items()}
        panels[title] = {name: (ratio, f"{ratio:.2f}") for name, ratio in ratios.items()}
    return bars(panels, TUFT)


def _summary(data: Mapping[str, Any], name: str) -> Iterator[tuple[str, float]]:
    rows = [row for row in data["rows"] if row["contestant"] == name]
    yield "ms", statistics.mean(statistics.median(row["ms"]) for row in rows)
    for figure in ("bytes", *_FIGURES):
        yield figure, statistics.mean(row[figure] for row in rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="tuft and its peers, on the same graph.")
    parser.add_argument("--photos", type=Path, help="composites: NAME_image.png with NAME_fg_rgba.png beside it")
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3, help="after the warm-up")
    parser.add_argument("--rembg", type=Path, metavar="FOLDER", help="virtual environment; made if it is missing")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    return parser


if __name__ == "__main__":
    main()
