"""The file to adopt, the repository, and images to compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.published import SIZE
from support.server import empty_repository


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return empty_repository(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "published.onnx"


@pytest.fixture
def images(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Three, of which one is dark, as normalising by the brightest value needs it."""
    pictures = rng.integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    return np.stack([pictures[0], pictures[1] // 3, pictures[2]])
