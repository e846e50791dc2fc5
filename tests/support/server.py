"""A real tritonserver with the demo checkpoint, started once for all tests that need one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tuft import contract
from tuft.serve import ServeOptions, running_server
from tuft_export.checkpoints import CHECKPOINTS
from tuft_export.publishing.publish import PublishOptions, publish, publish_matting

CONFIGURATIONS = Path(__file__).parents[2] / "model_repository"


@dataclass(frozen=True)
class DemoServer:
    """The address of the server, and its model repository."""

    url: str
    repository: Path


def empty_repository(folder: Path) -> Path:
    """A copy of the project's model repository without published versions."""
    unpublished = shutil.ignore_patterns("[0-9]", "[0-9][0-9]", "warmup")
    return Path(shutil.copytree(CONFIGURATIONS, folder / "model_repository", ignore=unpublished))


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    """Every size of the contract and the matting stage, on free ports of the loopback interface."""
    repository = empty_repository(tmp_path_factory.mktemp("demo"))
    options = PublishOptions(repository, sizes=contract.SIZES)
    publish(CHECKPOINTS["demo"], options)
    publish_matting(options)
    with running_server(ServeOptions(repository, http_port=0, grpc_port=0, metrics_port=0)) as addresses:
        yield DemoServer(addresses.grpc, repository)
