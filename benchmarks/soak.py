"""Do resources leak while a client and its server handle thousands of requests?

    python benchmarks/soak.py [--requests N] [--repository FOLDER] [--json FILE]

A real tritonserver serves `--repository`, or graphs that only average colours, so that thousands of requests pass
within minutes. Requests come in rounds: photographs of 0.1 to 12 megapixels and broken files, passed in every way, with
all presets and refinements, from several threads and by `Client.map`. Some are cancelled, some time out, some exceed
the queue. The cache is too small for all results; metrics and a log are on. After each round, when no request is in
flight, a census of resources is taken.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import resource
import secrets
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from _lib.machine import machine
from _lib.markdown_table import markdown_table
from _lib.needs import packages
from _soak.request_files import MEGAPIXELS, broken_files, photograph_files

from tuft import Client, Settings
from tuft.contract import SIZES, model_name
from tuft.operations.telemetry.logs import log_to
from tuft.serve import ServeOptions, running_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

with packages():
    from _soak.census import COUNTED, MEMORY, Census, Server, Slope, census, settled, slope
    from _soak.request_rounds import THREADS, Round, Tally
    from prometheus_client import CollectorRegistry

    from tuft.operations.telemetry.metrics import Metrics

CACHE_MB: Final = 40.0  # room for a few of the results
# The models that receive more requests than their queues hold.
RUSHED_SIZES: Final = (1536, 2048)
RUSHED_QUEUE_SIZE: Final = 1


@dataclass(frozen=True)
class Sample:
    """The census after a number of requests and of seconds."""

    requests: int
    seconds: float
    held: Census


@dataclass(frozen=True)
class Result:
    """The result of a soak test.

    Attributes:
        samples: One after each round; the first round is the warm-up.
        outcomes: Number of requests by outcome.
        before: Census before the server was started.
        after: Census after it had ended.
    """

    samples: list[Sample]
    outcomes: dict[str, int]
    before: Census
    after: Census

    def slope(self, memory: str) -> Slope:
        """Growth of one kind of memory, one of `MEMORY`."""
        return slope([at.requests for at in self.samples], [getattr(at.held, memory) for at in self.samples])


def soak(
    repository: Path,
    folder: Path,
    *,
    requests: int,
    megapixels: Sequence[float] = MEGAPIXELS,
    cancel_in_flight: bool = False,
) -> Result:
    """Starts a server and sends it at least `requests` requests.

    Args:
        repository: Model repository with all sizes.
        folder: For photographs, cache and logs; `temporary` in it becomes the folder for temporary files.
        requests: Number of requests.
        megapixels: Sizes of the photographs.
        cancel_in_flight: See `Round`. The wheel's tritonserver (24.10) eventually crashes from it, by a race in its
            gRPC frontend (triton-inference-server/server#7840, #8034).
    """
    files, tally = photograph_files(folder, megapixels) + broken_files(folder), Tally()
    with _temporary_folder(folder / "temporary") as temporary, _variables(TUFT_KEY=secrets.token_hex(16)):
        before = census(temporary)
        options = ServeOptions(
            repository, http_port=0, grpc_port=0, metrics_port=0, log_file=folder / "server.log", shared_memory=True
        )
        with running_server(options) as addresses:
            server = Server(addresses.grpc_port)
            with _clients(addresses.grpc, folder, tally) as clients:
                work = Round(*clients, files, cancel_in_flight=cancel_in_flight)
                samples = list(_rounds(work, tally, requests, lambda: census(temporary, server)))
        after = settled(lambda: census(temporary, server), before)
    return Result(samples, dict(tally.outcomes), before, after)


def _rounds(work: Round, tally: Tally, requests: int, count: Callable[[], Census]) -> Iterator[Sample]:
    """Yields a sample after each round; before the last one, all threads get time to end."""
    began_s = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        first: Census | None = None
        while tally.requests < requests or first is None:
            work(pool)
            _wait_for_threads()
            gc.collect()  # an error and its traceback refer to each other, and to the pictures of their request
            now = count() if first is None or tally.requests < requests else settled(count, first)
            first = first or now
            if now.processes < first.processes:
                raise RuntimeError(f"A process of the server died after {tally.requests} requests: see its log.")
            yield Sample(tally.requests, time.monotonic() - began_s, now)


def _wait_for_threads() -> None:
    """Waits for the threads of an abandoned `Client.map` to end."""
    while any(thread.name.startswith("tuft") for thread in threading.enumerate()):
        time.sleep(0.05)


@contextmanager
def _clients(url: str, folder: Path, tally: Tally) -> Iterator[tuple[Client, Client]]:
    """Yields a client with a cache and one with shared memory, both with metrics and a log."""
    log = folder / "requests.log"
    observers = (tally, Metrics(CollectorRegistry()))
    settings = Settings(url=url, log=str(log))
    caching = replace(settings, cache_dir=str(folder / "cache"), cache_mb=CACHE_MB)
    with (
        Client(settings=caching, observers=observers) as cached,
        Client(settings=replace(settings, shared_memory=True), observers=observers) as plain,
    ):
        yield cached, plain
    if cached.cache is not None:
        cached.cache.close()
    handler = log_to(str(log))
    logging.getLogger("tuft").removeHandler(handler)
    handler.close()


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """Makes `folder` the folder for temporary files of this process and its children."""
    folder.mkdir()
    earlier = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        with _variables(TMPDIR=str(folder)):
            yield folder
    finally:
        tempfile.tempdir = earlier


@contextmanager
def _variables(**values: str) -> Iterator[None]:
    """Environment variables for this process and its children."""
    earlier = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in earlier.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def averaging_repository(folder: Path) -> Path:
    """Makes a repository of all sizes whose graphs average colours; the models of `RUSHED_SIZES` have short queues."""
    tests = str(Path(__file__).parents[1] / "tests")
    if tests not in sys.path:
        sys.path.append(tests)
    from support.tiny import tiny_repository  # type: ignore[import-not-found,unused-ignore]

    def shorten_queue(configuration: Any) -> None:
        if configuration.name in map(model_name, RUSHED_SIZES):
            configuration.dynamic_batching.default_queue_policy.max_queue_size = RUSHED_QUEUE_SIZE

    return Path(tiny_repository(folder, sizes=SIZES, configure=shorten_queue))


def report(result: Result) -> dict[str, Any]:
    """The result as values for JSON."""
    first, last = result.samples[0], result.samples[-1]
    return {
        "machine": machine(),
        "requests": last.requests,
        "seconds": round(last.seconds, 1),
        "outcomes": dict(sorted(result.outcomes.items())),
        "growth": {memory: asdict(result.slope(memory)) for memory in MEMORY},
        "peak_client_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
        "held": {name: _held(found) for name, found in _moments(result).items()},
        "left_over_while_serving": last.held.left_over_since(first.held),
        "left_over_afterwards": result.after.left_over_since(result.before),
        "samples": [
            {"requests": at.requests, "seconds": round(at.seconds, 1), **_held(at.held)} for at in result.samples
        ],
    }


def _moments(result: Result) -> dict[str, Census]:
    first, last = result.samples[0], result.samples[-1]
    return {"before": result.before, "first round": first.held, "last round": last.held, "after": result.after}


def _held(found: Census) -> dict[str, int | float]:
    return {
        **{_in_mb(memory): round(getattr(found, memory) / 1e6, 1) for memory in MEMORY},
        **{name: getattr(found, name) for name in COUNTED},
        "files": len(found.files),
    }


def _in_mb(memory: str) -> str:
    return memory.replace("_bytes", "_mb")


def table(data: Mapping[str, Any]) -> str:
    """Formats the census at four moments, with slopes in the last column, as a Markdown table."""
    held = data["held"]
    slopes = {_in_mb(memory): str(Slope(**growth)) for memory, growth in data["growth"].items()}
    rows = [["", *held, "a thousand requests"], ["---"] + ["---:"] * (len(held) + 1)]
    names = next(iter(held.values()))
    rows += [[name, *(str(moment[name]) for moment in held.values()), slopes.get(name, "")] for name in names]
    what = f"{data['machine']}; {data['requests']} requests in {data['seconds'] / 60:.0f} minutes."
    return f"{what}\n\n{markdown_table(rows)}"


def main() -> None:
    """Soaks and prints a Markdown table; `--json` keeps every sample."""
    parser = argparse.ArgumentParser(description="What grows while thousands of requests pass.")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--repository", type=Path, help="what is served (default: graphs that average colours)")
    parser.add_argument(
        "--cancel-in-flight", action="store_true", help="take requests back from the server too (not with the wheel's)"
    )
    parser.add_argument("--json", type=Path, help="where every sample goes")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tuft-soak-"))  # kept on failure, for the server's log
    print(f"Photographs, cache and logs are in {folder}.", file=sys.stderr)
    repository = options.repository or averaging_repository(folder / "repository")
    result = soak(repository, folder, requests=options.requests, cancel_in_flight=options.cancel_in_flight)
    shutil.rmtree(folder)
    data = report(result)
    print(f"{table(data)}\n\n{data['outcomes']}")
    if options.json:
        options.json.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
