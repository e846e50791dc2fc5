from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture
def picture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A gradient with some noise, 40 × 48, without any symmetry."""
    gradient = np.add.outer(np.arange(40) * 3, np.arange(48) * 2)[..., None]
    return np.clip(gradient + rng.integers(0, 40, (40, 48, 3)), 0, 255).astype(np.uint8)
