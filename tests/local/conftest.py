"""Everything of the user's in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tiny import tiny_repository

from tuft_local import LocalTransport, connect


@pytest.fixture(autouse=True)
def users_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUFT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TUFT_ENGINE", raising=False)
    return tmp_path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two sizes of a network whose saliency is the mean of the three channels."""
    return tiny_repository(tmp_path / "repository", sizes=(384, 1024))


@pytest.fixture
def transport(repository: Path) -> Iterator[LocalTransport]:
    made = connect(str(repository))
    yield made
    made.close()
