"""Real tritonservers with tiny graphs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.calling import Caller
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
