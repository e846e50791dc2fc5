"""How does `tuft batch` do an archive: broken photographs, overhead, kills, and a bucket with a million keys?

    python benchmarks/batch.py [--measure errors overhead kills keys] [--json FILE]

All photographs are small, and at 384 pixels.

- errors: an archive on Ray in which one photograph in fifty is broken, and the memory of its processes;
- overhead: photographs a second on Ray, computed in its actor, to a plain loop over the same, in alternation;
- kills: driver, actor and Triton are killed at random moments;
- keys: a bucket that lists a million.

`overhead` computes the demo. What the others measure does not depend on the network, and theirs costs next to nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _lib import needs
from _lib.machine import machine_facts, resident_bytes
from _lib.markdown_table import markdown_table

with needs.packages():
    import numpy as np
    import psutil  # type: ignore[import-untyped,unused-ignore]
    from _batch.archive import archive
    from _batch.cheap import cheap_repository
    from _batch.killing import killed
    from _batch.millions import millions

    from tuft import Client, Settings
    from tuft.batch.bulk import BatchOptions, BatchReport, Cluster, run_batch
    from tuft.serve import ServeOptions, running_server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuft.batch.bulk import Row

MEASURES: Final = ("errors", "overhead", "kills", "keys")
_OPTIONS: Final[dict[str, Any]] = {"size": 384}


def errors(photos: Path, work: Path, repository: Path, count: int, broken: int) -> dict[str, Any]:
    """An archive on Ray, in which photographs are broken."""
    damaged = set(archive(photos, count, broken))
    memory = _Memory()
    with memory:
        began_s = time.perf_counter()
        report = _on_ray(photos, work / "errors", memory.at, f"local:{repository}")
        seconds = time.perf_counter() - began_s
    rows = _rows(work / "errors")
    return {
        "photographs": count,
        "broken": len(damaged),
        "done": report.done,
        "failed": dict(report.errors),
        "failed_are_the_broken": {row["input"] for row in rows if row["status"] != "done"} == damaged,
        "rows": len(rows),
        "files": sum(1 for _ in (work / "errors").rglob("*.png")),
        "seconds": seconds,
        "memory": memory.summary(),
    }


def overhead(photos: Path, work: Path, count: int, rounds: int) -> dict[str, Any]:
    """Photographs a second of a plain loop and on Ray, in alternation."""
    archive(photos, count, 0)
    loops, rays = [], []
    for number in range(rounds):
        loops.append(_plain_loop(sorted(photos.rglob("*.jpg"))))
        times: list[tuple[float, int]] = []
        _on_ray(photos, work / f"overhead{number}", lambda n, times=times: times.append((time.perf_counter(), n)))
        rays.append(_after_start(times))
    ratios = [ray / loop for ray, loop in zip(rays, loops, strict=True)]
    return {"photographs": count, "loop_per_s": loops, "ray_per_s": rays, "ratio": float(np.median(ratios))}


def _plain_loop(files: Sequence[Path]) -> float:
    with Client("local") as client:
        client.remove(files[0], **_OPTIONS).to_bytes("png")  # loads the model
        began_s = time.perf_counter()
        for file in files:
            cutout = client.remove(file, **_OPTIONS)
            (file.parent / f".{file.stem}.png").write_bytes(cutout.to_bytes("png"))
            cutout.quality_score  # noqa: B018 - the table has it
        return len(files) / (time.perf_counter() - began_s)


def _after_start(times: Sequence[tuple[float, int]]) -> float:
    """Photographs a second after the first group."""
    (first_s, _), (last_s, _) = times[0], times[-1]
    return sum(number for _, number in times[1:]) / (last_s - first_s)


def _on_ray(photos: Path, output: Path, on_rows: Any, url: str = "local") -> BatchReport:
    def count(rows: Sequence[Row]) -> None:
        on_rows(len(rows))

    settings = Settings(url=url)
    return run_batch(
        photos, output, BatchOptions(**_OPTIONS), settings=settings, engine="ray", cluster=Cluster(), on_rows=count
    )


def _rows(output: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(output / "results.parquet").to_pylist()
    return rows


class _Memory:
    """Samples the memory of this process and of Ray's actors, with how many photographs were done."""

    def __init__(self) -> None:
        self._samples: list[tuple[int, int, int]] = []
        self._done = 0
        self._over = threading.Event()

    def at(self, rows: int) -> None:
        self._done += rows

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(1.0):
            if not self._done:
                continue
            actors = 0
            for process in psutil.Process().children(recursive=True):
                try:
                    if "MapWorker" in process.name() or "MapWorker" in " ".join(process.cmdline()):
                        actors += resident_bytes("VmRSS", process.pid)
                except psutil.Error:
                    continue
            self._samples.append((self._done, resident_bytes("VmRSS"), actors))

    def summary(self) -> dict[str, Any]:
        """Of driver and actors: the median of each third of the run, and the growth in its second half."""
        done, driver, actors = (np.array(column, float) for column in zip(*self._samples, strict=True))
        thirds = np.array_split(np.arange(len(done)), 3)
        half = len(done) // 2
        return {
            name: {
                "thirds_mb": [round(float(np.median(values[third])) / 1e6, 1) for third in thirds],
                "growth_mb_per_1000": round(float(np.polyfit(done[half:], values[half:], 1)[0]) / 1e3, 2),
            }
            for name, values in (("driver", driver), ("actors", actors))
        }


def table(data: Mapping[str, Any]) -> str:
    """The measures as Markdown."""
    rows = [["measure", "result"], ["---", "---"]]
    if one := data.get("errors"):
        failed = ", ".join(f"{count} {name}" for name, count in sorted(one["failed"].items()))
        actors, driver = one["memory"]["actors"], one["memory"]["driver"]
        rows += [
            [f"{one['photographs']:,} photographs, {one['broken']} of them broken, on Ray",
             f"{one['done']:,} cut-outs, {one['files']:,} files, {one['rows']:,} rows; {failed}; "
             f"{one['done'] / one['seconds']:.1f} a second, Ray's start included"],
            ["their memory, in thirds of the run", f"actor {_mb(actors)} MB, driver {_mb(driver)} MB"],
        ]  # fmt: skip
    if one := data.get("overhead"):
        pairs = zip(one["ray_per_s"], one["loop_per_s"], strict=True)
        rows.append(["throughput on Ray to that of a plain loop, after the start",
                     f"{one['ratio']:.2f} (median; photographs a second: "
                     f"{', '.join(f'{ray:.2f} to {loop:.2f}' for ray, loop in pairs)})"])  # fmt: skip
    if one := data.get("kills"):
        parts = ", ".join(f"{name} {count} times" for name, count in sorted(one["killed"].items()))
        same = (
            "the same files and rows as of a run left alone" if one["same_files"] and one["same_rows"] else "DIFFERENT"
        )
        rows.append([f"killed at random: {parts}",
                     f"{one['rows']} rows of {one['different_keys']} photographs, {same}"])  # fmt: skip
    if one := data.get("keys"):
        for name, told in (("first", "begun"), ("resumed", "resumed, all but ten done")):
            found = one[name]
            rows.append([f"a bucket of {one['keys']:,} keys, {told}",
                         f"first photograph after {found['first_photograph_s']:.1f} s, at most "
                         f"{found['peak_bytes'] / 1e6:.0f} MB"])  # fmt: skip
        rows.append([f"all {one['keys']:,} keys listed",
                     f"{one['listed_s']:.0f} s, at most {one['listing_bytes'] / 1e6:.0f} MB"])  # fmt: skip
    return markdown_table(rows)


def _mb(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{value:.0f}" for value in figures["thirds_mb"])


def main() -> int:
    """Measures what is asked for; `--json` keeps the numbers, beside those of other measures in the file."""
    parser = argparse.ArgumentParser(description="An archive with tuft batch.")
    parser.add_argument("--measure", nargs="*", choices=MEASURES, default=MEASURES)
    parser.add_argument("--photographs", type=int, default=2_000, help="in errors; %(default)s by default")
    parser.add_argument("--broken", type=int, default=40, help="of them; %(default)s by default")
    parser.add_argument("--rounds", type=int, default=3, help="of overhead; %(default)s by default")
    parser.add_argument("--kills", type=int, default=20, help="%(default)s by default")
    parser.add_argument("--keys", type=int, default=1_000_000, help="%(default)s by default")
    parser.add_argument("--json", type=Path, help="where the raw numbers go")
    options = parser.parse_args()
    data: dict[str, Any] = {**machine_facts()}
    if options.json and options.json.is_file():
        data = {**json.loads(options.json.read_text()), **data}
    for measure in options.measure:
        with tempfile.TemporaryDirectory(prefix="tuft-batch-") as folder:
            work, photos = Path(folder), Path(folder, "photos")
            cheap = cheap_repository(work / "models")
            if measure == "errors":
                data[measure] = errors(photos, work, cheap, options.photographs, options.broken)
            elif measure == "overhead":
                data[measure] = overhead(photos, work, 160, options.rounds)
            elif measure == "kills":
                archive(photos, 300, 6)
                data[measure] = killed(photos, work, cheap, options.kills)
            else:
                archive(photos, 1, 0)
                serving = ServeOptions(cheap, sizes=(384,), http_port=0, grpc_port=0, metrics_port=0)
                with running_server(serving) as addresses:
                    data[measure] = millions(options.keys, next(photos.rglob("*.jpg")), work, addresses.grpc)
        if options.json:
            options.json.write_text(json.dumps(data, indent=1) + "\n")
    print(table(data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
