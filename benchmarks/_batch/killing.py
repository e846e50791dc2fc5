"""A batch on Ray and a Triton, of which one part after the other is killed at random moments."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil  # type: ignore[import-untyped,unused-ignore]
import pyarrow.parquet

from tuft.serve import ServeOptions, running_server

if TYPE_CHECKING:
    from pathlib import Path

PARTS: Final = ("driver", "actor", "triton")
_ACTOR: Final = "ray::MapWorker"
_LAST: Final = 0.9  # share of the photographs until which something is killed


def killed(photos: Path, work: Path, repository: Path, kills: int) -> dict[str, Any]:
    """Runs a batch whose driver, actors and Triton are killed `kills` times, and compares it with one left alone.

    Args:
        photos: The photographs.
        work: A folder for outputs.
        repository: What Triton serves.
        kills: How often something is killed.
    """
    began_s = time.monotonic()
    options = ServeOptions(repository, sizes=(384,), http_port=0, grpc_port=0, metrics_port=0)
    with running_server(options) as addresses:
        subprocess.run(_command(photos, work / "whole", addresses.grpc), check=False, stdout=subprocess.DEVNULL)
        port = int(addresses.grpc.rpartition(":")[2])
    stage = _Stage(photos, work / "killed", repository, port)
    counts = stage.play(kills)
    whole, found = _rows(work / "whole"), _rows(work / "killed")
    return {
        "killed": dict(counts),
        "photographs": len(whole),
        "rows": len(found),
        "different_keys": len(set(found)),
        "same_rows": sorted(whole) == sorted(found),
        "same_files": _files(work / "whole") == _files(work / "killed"),
        "seconds": time.monotonic() - began_s,
    }


class _Stage:
    """The driver and the Triton, which are started again when they have ended.

    What is killed, and how many cut-outs there are at that moment, is drawn.
    """

    def __init__(self, photos: Path, output: Path, repository: Path, port: int) -> None:
        self._photographs = sum(1 for _ in photos.rglob("*.jpg"))
        self._command = _command(photos, output, f"127.0.0.1:{port}")
        self._output = output
        self._options = ServeOptions(repository, sizes=(384,), http_port=0, grpc_port=port, metrics_port=0)
        self._over = threading.Event()
        self._triton: psutil.Process | None = None

    def play(self, kills: int) -> Counter[str]:
        rng = np.random.default_rng(7)
        moments = sorted(rng.integers(1, int(_LAST * self._photographs), kills))
        parts = [PARTS[number] for number in rng.permutation(np.arange(kills) % len(PARTS))]
        serving = threading.Thread(target=self._serve)
        serving.start()
        counts: Counter[str] = Counter()
        driver = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        try:
            while driver.poll() in (None, -signal.SIGKILL):
                if driver.poll() is not None:
                    driver = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
                number = counts.total()
                if number < kills and sum(1 for _ in self._output.rglob("*.png")) >= moments[number]:
                    self._kill(driver, parts[number], counts)
                time.sleep(0.1)
        finally:
            driver.kill()
            self._over.set()
            serving.join()
        return counts

    def _kill(self, driver: subprocess.Popen[bytes], part: str, counts: Counter[str]) -> None:
        """Kills a part, if it is there."""
        with suppress(psutil.Error):
            processes = psutil.Process(driver.pid).children(recursive=True)
            actors = [one for one in processes if one.name().startswith(_ACTOR) or _ACTOR in " ".join(one.cmdline())]
            if part == "driver":
                driver.kill()
                driver.wait()
            elif part == "actor" and actors:
                actors[0].kill()
            elif part == "triton" and self._triton is not None and self._triton.is_running():
                self._triton.kill()
            else:
                return
            counts[part] += 1
            print(f"killed {part}: {counts.total()}", file=sys.stderr, flush=True)

    def _serve(self) -> None:
        while not self._over.is_set():
            with suppress(Exception), running_server(self._options):  # its port may still be taken for a moment
                self._triton = next(
                    one for one in psutil.Process().children() if "tritonserver" in " ".join(one.cmdline())
                )
                while self._triton.is_running() and self._triton.status() != psutil.STATUS_ZOMBIE:
                    if self._over.wait(0.2):
                        break
            self._over.wait(1.0)


def _command(photos: Path, output: Path, url: str) -> list[str]:
    command = [sys.executable, "-m", "tuft", "batch", str(photos), str(output), "--url", url, "--size", "384"]
    return [*command, "--engine", "ray", "--workers", "2", "--group", "8"]


def _rows(output: Path) -> list[tuple[str, str]]:
    table = pyarrow.parquet.read_table(output / "results.parquet").to_pylist()
    return [(row["input"], row["status"]) for row in table]


def _files(output: Path) -> dict[str, str]:
    """The pictures and whatever a killed process may have left, with their hashes."""
    files = [path for path in output.rglob("*") if path.is_file() and path.parent.name != "_tuft"]
    pictures = {path.relative_to(output): path for path in files if path.name != "results.parquet"}
    return {str(name): hashlib.sha256(path.read_bytes()).hexdigest() for name, path in pictures.items()}
