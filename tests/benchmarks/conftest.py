"""Fixtures that are expensive to make: a network with its exported graph, and a server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import torch
from _gpu.measured_network import MeasuredNetwork, network_from_shape
from _lib.serving import serving
from support.tiny import tiny_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TINY_PX = 96


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One thread for torch: on cores that other processes use, a second thread waits more than it computes."""
    with _one_thread():
        yield


@pytest.fixture(scope="session")
def tiny_network(tmp_path_factory: pytest.TempPathFactory) -> MeasuredNetwork:
    """The network `tiny` of `gpu.py`, without graphs."""
    with _one_thread():
        return network_from_shape("tiny", tmp_path_factory.mktemp("graphs"))


@pytest.fixture(scope="session")
def exported_network(tiny_network: MeasuredNetwork) -> MeasuredNetwork:
    """The same, with its graph for pictures of `TINY_PX` pixels."""
    with _one_thread():
        tiny_network.graph(TINY_PX, "fp32")
    return tiny_network


@pytest.fixture(scope="session")
def averaging_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository whose model of 1024 pixels averages colours."""
    return tiny_repository(tmp_path_factory.mktemp("averaging") / "repository", sizes=(1024,))


@pytest.fixture(scope="session")
def averaging_server(averaging_repository: Path) -> Iterator[str]:
    """The address of a server of `averaging_repository`."""
    with serving(None, averaging_repository, (1024,)) as url:
        yield url


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
