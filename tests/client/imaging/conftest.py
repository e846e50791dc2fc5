from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from support.picture_files import file_of

from tuft.imaging import IsolatedDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@pytest.fixture
def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A gradient with some noise, 40 × 48, without any symmetry."""
    gradient = np.add.outer(np.arange(40) * 3, np.arange(48) * 2)[..., None]
    return np.clip(gradient + rng.integers(0, 40, (40, 48, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def png(picture: NDArray[np.uint8]) -> bytes:
    return file_of(Image.fromarray(picture), "PNG")


@pytest.fixture
def decoder() -> Iterator[IsolatedDecoder]:
    with IsolatedDecoder(workers=1) as made:
        yield made
