"""Real tritonservers with tiny graphs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.calling import Caller, descendants, shared_memory_regions, wait_until
from support.tiny import mixing_graph, tiny_repository

from tuft.serve import ServeOptions, ServerAddresses, running_server


@pytest.fixture(scope="module")
def mean_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddresses]:
    """Serves 384 and 1024: the mean of the channels."""
    repository = tiny_repository(tmp_path_factory.mktemp("mean"), sizes=(384, 1024))
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def mixing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerAddresses]:
    """Serves 384: a graph in which every bit depends on the order of summation."""
    repository = tiny_repository(tmp_path_factory.mktemp("mixing"), graph=mixing_graph)
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as addresses:
        yield addresses


@pytest.fixture
def caller(mean_server: ServerAddresses) -> Caller:
    return Caller(mean_server.grpc)


@pytest.fixture
def nothing_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Afterwards no process and no shared memory is there that was not there before."""
    # The log of a failure is kept on purpose.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    processes, regions = {process.pid for process in descendants()}, shared_memory_regions()
    yield
    wait_until(lambda: {process.pid for process in descendants()} == processes and shared_memory_regions() <= regions)
