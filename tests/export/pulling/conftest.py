"""Stand-ins of known models on a local server, and folders of the test's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.files_over_http import Files, files_over_http
from support.published import SIZE
from support.server import empty_repository

from tuft.models import MODELS, Download, KnownModel

Making = Callable[[Path], Path]
StandIn = Callable[..., KnownModel]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TUFT_DATA", str(tmp_path / "data"))
    return tmp_path / "cache"


@pytest.fixture
def files() -> Iterator[Files]:
    with files_over_http() as served:
        yield served


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return empty_repository(tmp_path)


@pytest.fixture
def stand_in(files: Files, tmp_path: Path) -> StandIn:
    """Makes the row `name` point at a tiny network of the same convention; all other facts stay."""

    def make(name: str, making: Making, **origin: str | None) -> KnownModel:
        content = making(tmp_path / f"{name}.made").read_bytes()
        url = files.add(f"{name}.onnx", content)
        known = origin or {"sha256": hashlib.sha256(content).hexdigest()}
        return replace(MODELS[name], origin=Download(url, **known), size=SIZE)

    return make
