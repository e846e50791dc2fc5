"""A short soak test (benchmarks/soak.py) leaks nothing, and its census and slope detect leaks."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from _soak.census import census, settled, slope
from soak import Result, averaging_repository, soak

from tuft.inference.transport.regions import MOST_REGIONS

REQUESTS = 120
MEGAPIXELS = (0.1, 0.1, 0.2, 0.3, 0.4, 0.4)
# Allocated by the client. The pictures and answers of a request take 1 to 60 MB: a few that are kept would be seen, as
# were requests that grpc kept when the queue was full. Resident memory says less: the allocator keeps for each thread
# what the largest request has needed once.
CLIENT_GROWTH_MB = 25
# Resident. Pools fill in the first thousand requests, by 300 MB; all pictures and answers together are 1 GB.
SERVER_GROWTH_MB = 500
MORE_THREADS = 3
# The processes of its models keep one answer each.
MODELS_GROWTH_MB = 50


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("soak")
    # In a process of its own: what earlier tests have left in this one is not counted.
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_soak, folder).result()


def _soak(folder: Path) -> Result:
    return soak(averaging_repository(folder / "repository"), folder, requests=REQUESTS, megapixels=MEGAPIXELS)


@pytest.mark.server
@pytest.mark.slow
def test_every_kind_of_request_has_passed(result: Result) -> None:
    assert result.samples[-1].requests >= REQUESTS
    expected = {"ok", "stepped down", "from the cache", "RequestCancelledError", "NotAnImageError",
                "TruncatedImageError", "ImageTooLargeError"}  # fmt: skip
    assert expected <= {name for name, count in result.outcomes.items() if count}
    load = {"ServerBusyError"}  # what a busy machine may add
    assert result.outcomes.keys() <= expected | load
    assert result.outcomes["ok"] > 0.5 * result.samples[-1].requests


@pytest.mark.server
@pytest.mark.slow
def test_nothing_is_left_over_between_rounds(result: Result) -> None:
    left_over = result.samples[-1].held.left_over_since(result.samples[0].held)
    # Pools start a thread when they first need it; one left over by each request would be a hundred.
    threads = [left_over.pop(name, 0) for name in ("threads", "server_threads")]
    # Regions of shared memory are kept for the next requests; each is mapped by client and server.
    assert left_over.pop("client_regions", 0) <= 2 * MOST_REGIONS  # type: ignore[operator]
    assert left_over == {}
    assert max(threads) <= MORE_THREADS  # type: ignore[type-var]


@pytest.mark.server
@pytest.mark.slow
def test_pictures_went_through_shared_memory(result: Result) -> None:
    assert result.samples[-1].held.client_regions >= 2


@pytest.mark.server
@pytest.mark.slow
def test_nothing_is_left_over_when_the_server_has_ended(result: Result) -> None:
    assert result.after.left_over_since(result.before) == {}


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize(
    ("memory", "bound_mb"),
    [
        ("allocated_bytes", CLIENT_GROWTH_MB),
        ("tritonserver_bytes", SERVER_GROWTH_MB),
        ("models_bytes", MODELS_GROWTH_MB),
    ],
)
def test_memory_does_not_grow(result: Result, memory: str, bound_mb: float) -> None:
    first, last = (getattr(at.held, memory) / 1e6 for at in (result.samples[0], result.samples[-1]))
    assert last - first < bound_mb


def test_the_census_sees_what_is_held(tmp_path: Path) -> None:
    gc.collect()  # what earlier tests have left must not end meanwhile
    before, done = census(tmp_path), threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    kept = np.ones(5_000_000)
    with (
        (tmp_path / "left").open("w"),
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child,
    ):
        held = census(tmp_path)
        assert child.stdin is not None
        child.stdin.write(b"\n")
    done.set()
    thread.join()
    assert held.left_over_since(before) == {
        "descriptors": 2, "threads": 1, "processes": 1, "files": [str(tmp_path / "left")],
    }  # fmt: skip
    assert held.allocated_bytes - before.allocated_bytes == pytest.approx(kept.nbytes, rel=0.05)
    (tmp_path / "left").unlink()
    assert settled(lambda: census(tmp_path), before).left_over_since(before) == {}


@pytest.mark.parametrize("leak_mb", [0.0, 3.0])
def test_the_slope_is_that_of_the_leak(leak_mb: float) -> None:
    requests = list(range(0, 2000, 50))
    noise_mb = np.random.default_rng(1).normal(0, 0.3, len(requests))
    noise_mb[::7] += 40  # a photograph of 12 megapixels still held
    filling_mb = np.minimum(np.array(requests) / 10, 100)  # pools, within the first half
    memory_mb = 500 + filling_mb + leak_mb * np.array(requests) / 1000 + noise_mb
    fit = slope(requests, [int(size * 1e6) for size in memory_mb])
    assert fit.low <= leak_mb <= fit.high
    assert fit.mb_per_1000 == pytest.approx(leak_mb, abs=0.6)
