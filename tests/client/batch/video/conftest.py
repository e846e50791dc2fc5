from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import videos

from tuft import Client, FakeTransport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def network() -> FakeTransport:
    """A server whose network finds the square of `support.videos`."""
    return FakeTransport(videos.saliency)


@pytest.fixture
def video_client(network: FakeTransport) -> Iterator[Client]:
    with Client(transport=network) as client:
        yield client


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Ten frames with a tone."""
    return videos.Video().write(tmp_path / "clip.mp4")
