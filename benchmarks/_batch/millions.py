"""A bucket with a million keys: how soon the first photograph is read, and how much memory the listing takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from _lib.machine import resident_bytes

from _batch.bucket import BUCKET, PREFIX, key

if TYPE_CHECKING:
    from collections.abc import Iterator

_BENCHMARKS: Final = Path(__file__).parents[1]
_LIST: Final = """
import sys, time
from tuft.batch.bulk.sources import sources_of
from tuft.batch.bulk.storage import Location
began_s = time.perf_counter()
(source,) = sources_of(sys.argv[1], Location.of(sys.argv[2]))
print(sum(1 for _ in source.items(1 << 40)), time.perf_counter() - began_s)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_NO_TEXTS: Final = ("error", "message", "preset", "model", "model_version")
_SECONDS: Final = 30.0  # of a batch, after its first photograph


def millions(keys: int, photograph: Path, work: Path, url: str) -> dict[str, Any]:
    """Lists all keys; begins a batch; and begins one of which all but ten photographs are done.

    Args:
        keys: How many the bucket has.
        photograph: What each of them is.
        work: A folder for outputs.
        url: A server, so that the memory measured is not that of a network.
    """
    with _bucket(keys, photograph) as (environment, told):
        command = [sys.executable, "-c", _LIST, f"s3://{BUCKET}/{PREFIX}", str(work / "listed")]
        listed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
        measured: dict[str, Any] = {
            "keys": int(listed[0]),
            "listed_s": float(listed[1]),
            "listing_bytes": int(listed[2]) * 1024,
            "first": _begun(work / "first", url, environment, told),
        }
    _as_if_done(work / "resumed", keys - 10)
    with _bucket(keys, photograph) as (environment, told):
        measured["resumed"] = _begun(work / "resumed", url, environment, told)
    return measured


def _begun(output: Path, url: str, environment: dict[str, str], told: IO[str]) -> dict[str, float]:
    """Seconds until a batch reads its first photograph, and its peak memory in the half minute that follows."""
    began_s = time.time()
    command = [sys.executable, "-m", "tuft", "batch", f"s3://{BUCKET}/{PREFIX}", str(output), "--url", url]
    with subprocess.Popen([*command, "--size", "384"], env=environment) as program:
        first_s = float(told.readline()) - began_s
        ends_s = time.monotonic() + _SECONDS
        peak = 0
        while program.poll() is None and time.monotonic() < ends_s:
            peak = max(peak, resident_bytes("VmHWM", program.pid))
            time.sleep(0.2)
        program.kill()
    return {"first_photograph_s": first_s, "peak_bytes": peak}


def _as_if_done(output: Path, keys: int) -> None:
    """What a batch that was killed shortly before its end has left: rows in small files."""
    import pyarrow
    import pyarrow.parquet

    rows = output / "_tuft" / "rows"
    rows.mkdir(parents=True)
    step = 10_000
    for first in range(0, keys, step):
        names = [key(number).removeprefix(PREFIX) for number in range(first, min(first + step, keys))]
        columns = {"input": names, "output": [f"{name}.png" for name in names], "status": ["done"] * len(names)}
        texts = dict.fromkeys(_NO_TEXTS, pyarrow.nulls(len(names), pyarrow.string()))
        numbers = dict.fromkeys(("quality", "milliseconds"), pyarrow.nulls(len(names), pyarrow.float32()))
        pyarrow.parquet.write_table(pyarrow.table({**columns, **texts, **numbers}), rows / f"{first:020}.parquet")


@contextmanager
def _bucket(keys: int, photograph: Path) -> Iterator[tuple[dict[str, str], IO[str]]]:
    command = [sys.executable, "-m", "_batch.bucket", str(keys), str(photograph)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=_BENCHMARKS, **pipes) as server:
        assert server.stdout is not None
        environment = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.stdout.readline().strip()}"}
        environment |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu"}
        try:
            yield environment, server.stdout
        finally:
            server.kill()
